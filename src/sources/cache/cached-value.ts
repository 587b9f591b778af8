/** One value in the cache: its TTL, its reads, and what is served while reading fails. */
import type { Call } from '../../bus/call.ts'
import type { Limiter } from '../../bus/process/limiter.ts'
import { type CacheRead, diagnostics } from '../../diagnostics.ts'
import { type CacheDirectives, type Freshness, NotCached } from '../../freshness.ts'
import type { Clock } from '../clock.ts'
import { LastFailure } from './last-failure.ts'
import { acceptedAge, type ResolvedPolicy, refreshAge } from './policy.ts'
import { SharedRead } from './shared-read.ts'

/**
 * The result of a request: as in `Freshness`; `negative` if the absence of the value is cached; `backoff` if the last
 * failure is returned because no read is due yet.
 */
export type CacheResult = Freshness['result'] | 'negative' | 'backoff'

export const noResults = (): Record<CacheResult, number> => ({
  hit: 0,
  stale: 0,
  miss: 0,
  coalesced: 0,
  negative: 0,
  backoff: 0,
})

/** One read from the source. */
export interface Read {
  readonly read: CacheRead
  /** When it is sent, on the monotonic clock. */
  readonly sentAt: number
  /** In milliseconds; 0 or less if it has waited too long for its turn. */
  readonly timeout: number
}

export interface ValueSource<Value, Reply> {
  /** What the diagnostics of a read contain. */
  readonly label: Pick<CacheRead, 'cache' | 'key'>
  /** Reads the value. A value that has expired on arrival is a failure. */
  readonly fetch: (read: Read) => Promise<Value>
  readonly limit: Limiter
  readonly reply: (value: Value, freshness: Freshness) => Reply
  /** Whether the error means that the value does not exist. */
  readonly isAbsent: (error: unknown) => boolean
  /** Whether the error means that the value must not be served any longer. */
  readonly isRevoked: (error: unknown) => boolean
}

/** A value with its times on the monotonic clock, in milliseconds. */
interface Entry<Value, Reply> {
  readonly value: Value
  /** The reply while the value is fresh. All requests share it. */
  readonly reply: Reply
  readonly sentAt: number
  /** Age at which the value is refreshed. */
  readonly refreshAge: number
}

export class CachedValue<Value, Reply> {
  /** Called after a successful read. */
  onValue: (() => void) | undefined
  /** Number of requests by result, counted on arrival: a `miss` may get a stale value if its read fails. */
  readonly results: Record<CacheResult, number>
  readonly #source: ValueSource<Value, Reply>
  readonly #policy: ResolvedPolicy
  readonly #clock: Clock
  readonly #failure: LastFailure
  #entry: Entry<Value, Reply> | undefined
  readonly #reads: SharedRead<Entry<Value, Reply>>
  /** The latest read, which requests may join. */
  #latestRead: CacheRead | undefined
  /** When the latest read with a known outcome was sent. The outcome of an earlier read is obsolete. */
  #latest = Number.NEGATIVE_INFINITY
  /** When a newer value was last demanded. What was read before is expired. */
  #expiredAt = Number.NEGATIVE_INFINITY
  #loaded = false

  constructor(source: ValueSource<Value, Reply>, policy: ResolvedPolicy, clock: Clock, results = noResults()) {
    this.#source = source
    this.#policy = policy
    this.#clock = clock
    this.#failure = new LastFailure(policy, clock)
    this.#reads = new SharedRead(source.limit, clock)
    this.results = results
  }

  /** Whether a read has ever succeeded. */
  get loaded(): boolean {
    return this.#loaded
  }

  /** Time until the next read is allowed, in milliseconds. */
  get pausedFor(): number {
    return this.#failure.pausedFor
  }

  /** `stale`: past the TTL while reading fails; `missing`: no value can be served while reading fails. */
  get state(): 'fresh' | 'stale' | 'missing' {
    if (!this.#failure.exists) return this.#loaded ? 'fresh' : 'missing'
    const now = this.#clock.monotonic()
    const entry = this.#servable(now, {})
    if (!entry) return 'missing'
    return this.#resultOf(entry, now) === 'hit' ? 'fresh' : 'stale'
  }

  /** Age of the value, in milliseconds; undefined if there is none, or none young enough to be served. */
  get age(): number | undefined {
    const age = this.#entry && this.#clock.monotonic() - this.#entry.sentAt
    return age !== undefined && age < this.#policy.ttl + this.#policy.maxStale ? age : undefined
  }

  /** Time until the value should be refreshed in the background, in milliseconds; `Infinity` if never. */
  get refreshIn(): number {
    if (this.#loaded && !this.#policy.refreshesAhead) return Infinity
    if (!this.#entry) return 0
    return Math.max(0, this.#entry.sentAt + this.#entry.refreshAge - this.#clock.monotonic())
  }

  /**
   * Returns the value synchronously if one can be served, otherwise reads it.
   * @throws NotCached, or the last failure during a pause, both synchronously; otherwise the failure of the read
   */
  get(directives: CacheDirectives, call?: Call): Reply | Promise<Reply> {
    const now = this.#clock.monotonic()
    const entry = this.#servable(now, directives)
    if (entry) {
      const result = this.#resultOf(entry, now)
      this.results[result] += 1
      if (result === 'stale' && this.pausedFor === 0) this.#read(now - this.#expiredAt, 'request', call).catch(() => {}) // logged by `fetch`
      return this.#serve(entry, result)
    }
    if (directives.onlyIfCached) throw new NotCached()
    const accepted = Math.min(acceptedAge(directives, this.#policy), now - this.#expiredAt)
    const paused = this.#failure.resultAt(now, accepted)
    if (paused) {
      this.results[paused] += 1
      throw this.#failure.error
    }

    const forward = this.#forward(now)
    const result = this.#reads.isJoinable(accepted) ? 'coalesced' : 'miss'
    this.results[result] += 1
    if (result === 'coalesced' && this.#latestRead) diagnostics.cacheJoin.publish({ read: this.#latestRead, call })
    return this.#read(accepted, 'request', call).then(
      ({ value, sentAt }) => this.#source.reply(value, this.#freshness(sentAt, result, forward)),
      (error: unknown) => this.#afterFailure(directives, error),
    )
  }

  /**
   * Refreshes the value in the background if that is due.
   * @throws the failure of the read, or the last failure during a pause
   */
  async refresh(): Promise<void> {
    if (this.refreshIn > 0) return
    if (this.pausedFor > 0) throw this.#failure.error
    await this.#read(Infinity, this.#loaded ? 'refresh' : 'load')
  }

  /**
   * Reads the value even if it is fresh or reading is paused. The cached value is served meanwhile. A read that has been
   * sent is not shared, because it may have been answered before the change that caused the reload.
   * @throws the failure of the read
   */
  async reload(): Promise<void> {
    await this.#read(0, 'reload')
  }

  /**
   * Demands that the value be read again, even if it is absent or reading is paused. The next request does so. The cached
   * value is served while reading fails. A read that has been sent is not shared, as in `reload`.
   */
  expire(): void {
    this.#expiredAt = this.#clock.monotonic()
    this.#failure.resume()
  }

  /** The age up to which the cached value may be served. */
  #allowedAge({ sentAt }: Entry<Value, Reply>, now: number): number {
    const { ttl, maxStale } = this.#policy
    if (this.#failure.isFailing(now)) return ttl + maxStale
    return sentAt > this.#expiredAt ? ttl : 0
  }

  #servable(now: number, directives: CacheDirectives): Entry<Value, Reply> | undefined {
    const entry = this.#entry
    if (!entry) return
    return now - entry.sentAt < Math.min(this.#allowedAge(entry, now), acceptedAge(directives, this.#policy))
      ? entry
      : undefined
  }

  #resultOf({ sentAt }: Entry<Value, Reply>, now: number): 'hit' | 'stale' {
    return now - sentAt < this.#policy.ttl && sentAt > this.#expiredAt ? 'hit' : 'stale'
  }

  #serve(entry: Entry<Value, Reply>, result: 'hit' | 'stale'): Reply {
    return result === 'hit' ? entry.reply : this.#source.reply(entry.value, this.#freshness(entry.sentAt, result))
  }

  /** Why a request needs a read. */
  #forward(now: number): Freshness['forward'] {
    const entry = this.#entry
    if (!entry) return 'uri-miss'
    return now - entry.sentAt < this.#allowedAge(entry, now) ? 'request' : 'stale'
  }

  /** Reads the value, or joins a read that was sent less than `accepted` milliseconds ago. */
  #read(accepted: number, trigger: CacheRead['trigger'], call?: Call): Promise<Entry<Value, Reply>> {
    const read: CacheRead = { ...this.#source.label, trigger, call, trace: call?.trace }
    if (!this.#reads.isJoinable(accepted)) this.#latestRead = read
    return this.#reads.join(accepted, async (sentAt, waited) => {
      try {
        const timeout = Math.ceil(this.#policy.fetchTimeout - waited)
        return this.#store(await this.#source.fetch({ read, sentAt, timeout }), sentAt)
      } catch (error) {
        throw this.#onFailure(error, sentAt)
      } finally {
        if (this.#latestRead === read) this.#latestRead = undefined
      }
    })
  }

  #store(value: Value, sentAt: number): Entry<Value, Reply> {
    const reply = this.#source.reply(value, this.#freshness(sentAt, 'hit'))
    const entry = { value, reply, sentAt, refreshAge: refreshAge(this.#policy, this.#clock.random()) }
    if (sentAt < this.#latest) return entry
    this.#latest = sentAt
    this.#entry = this.#policy.ttl === 0 ? undefined : entry
    this.#failure.clear()
    this.#loaded = true
    this.onValue?.()
    return entry
  }

  /** Returns the error for the requests that wait for the read. */
  #onFailure(error: unknown, sentAt: number): unknown {
    if (sentAt < this.#latest) return error
    this.#latest = sentAt
    const isAbsent = this.#source.isAbsent(error)
    if (isAbsent || this.#source.isRevoked(error)) this.#entry = undefined
    this.#failure.record(error, isAbsent, sentAt)
    return this.#failure.error
  }

  /** After a failed read, serves the cached value if that is allowed. */
  #afterFailure(directives: CacheDirectives, error: unknown): Reply {
    const now = this.#clock.monotonic()
    const entry = this.#servable(now, directives)
    if (entry) return this.#serve(entry, this.#resultOf(entry, now))
    throw error
  }

  #freshness(sentAt: number, result: Freshness['result'], forward?: Freshness['forward']): Freshness {
    const { monotonic } = this.#clock
    const { ttl } = this.#policy
    return {
      result,
      forward,
      get age() {
        return monotonic() - sentAt
      },
      get ttl() {
        return sentAt + ttl - monotonic()
      },
    }
  }
}
