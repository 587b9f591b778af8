/** One secret in the cache: its TTL, its refresh, and what is served while the refresh fails. */
import { codeOf } from '../../bus/errors.ts'
import { type Backoff, backoff } from '../../bus/process/backoff.ts'
import { singleFlight } from '../../bus/process/single-flight.ts'
import { type Freshness, type Secret, SourceFailure, type StoredSecret } from '../../secret.ts'
import type { Clock } from '../clock.ts'

export interface CachePolicy {
  /** TTL of a secret in milliseconds, ±10% jitter; `Infinity` is forever, 0 disables caching. */
  readonly cacheTtl: number
  /** Time to serve a stale secret while refreshing fails, in milliseconds after the end of the TTL. */
  readonly maxStale: number
  /** TTL of a negative result (secret not found), in milliseconds. */
  readonly negativeTtl: number
}

/**
 * The result of a read: as in `Freshness`; `negative` if the absence of the secret is cached; `backoff` if the last
 * failure is returned because no fetch is due yet.
 */
export type ReadResult = Freshness['result'] | 'negative' | 'backoff'

/** Fetches the secret from its source. The id is that of the call that causes the fetch. */
export type Fetch = (id: string | undefined) => Promise<StoredSecret>

/** A value with its times on the monotonic clock, in milliseconds. */
interface Entry {
  /** The value, as served while fresh. */
  readonly secret: Secret
  readonly fetchedAt: number
  readonly expiresAt: number
}

export class CachedSecret {
  /** Number of reads by result. */
  readonly reads: Record<ReadResult, number> = { hit: 0, stale: 0, miss: 0, coalesced: 0, negative: 0, backoff: 0 }
  readonly #fetch: Fetch
  readonly #policy: CachePolicy
  readonly #clock: Clock
  readonly #backoff: Backoff
  /** The last value. */
  #cached: Entry | undefined
  /** The failure after which fetching is paused, with the end of the pause on the monotonic clock. */
  #pause: { readonly error: unknown; readonly until: number } | undefined
  #loaded = false
  /** Fetches the secret, or joins the fetch in progress. */
  readonly #refresh = singleFlight(async (id: string | undefined): Promise<Secret> => {
    try {
      return this.#store(await this.#fetch(id))
    } catch (error) {
      this.#onFailure(error)
      throw this.#failure()
    }
  })

  constructor(fetch: Fetch, policy: CachePolicy, clock: Clock) {
    this.#fetch = fetch
    this.#policy = policy
    this.#clock = clock
    this.#backoff = backoff({ random: clock.random })
  }

  /** Whether a fetch has ever succeeded. */
  get loaded(): boolean {
    return this.#loaded
  }

  /** Time until the next fetch is allowed, in milliseconds. */
  get pausedFor(): number {
    return this.#pause ? Math.max(0, this.#pause.until - this.#clock.monotonic()) : 0
  }

  get state(): 'fresh' | 'stale' | 'missing' {
    const result = this.#lookUp()
    if (result === 'hit') return 'fresh'
    if (result === 'stale') return 'stale'
    return this.#policy.cacheTtl === 0 && this.#loaded && !this.#pause ? 'fresh' : 'missing'
  }

  /** Age of the value that would be served, in milliseconds; `undefined` if there is none. */
  get age(): number | undefined {
    return this.#cached && this.state !== 'missing' ? this.#clock.monotonic() - this.#cached.fetchedAt : undefined
  }

  /**
   * Returns the value synchronously if one can be served, otherwise fetches it.
   * @throws the last failure, synchronously, during a pause; otherwise the failure of the fetch
   */
  get(id: string | undefined): Secret | Promise<Secret> {
    const result = this.#lookUp()
    this.reads[result] += 1
    const cached = this.#cached
    if (cached && result === 'hit') return cached.secret
    if (cached && result === 'stale') {
      if (this.pausedFor === 0) this.#refresh(id).catch(() => {}) // logged by the fetch function
      return served(cached.secret, result)
    }
    this.#cached = undefined
    if (result === 'negative' || result === 'backoff') throw this.#failure()
    return this.#refresh(id).then((secret) => served(secret, result))
  }

  /**
   * Fetches unless paused. Does not count as a read.
   * @throws the failure of the fetch, or the last failure during a pause
   */
  async load(): Promise<void> {
    if (this.pausedFor > 0) throw this.#failure()
    await this.#refresh(undefined)
  }

  /**
   * Fetches even if the value is fresh or fetching is paused. The cached value is served meanwhile. A fetch in
   * progress is not shared, because it may have read the source before the change that caused the reload.
   * @throws the failure of the fetch
   */
  async reload(): Promise<void> {
    await this.#refresh.idle()
    await this.#refresh(undefined)
  }

  /** The result of a read at this moment. */
  #lookUp(): ReadResult {
    const now = this.#clock.monotonic()
    if (this.#cached && now < this.#cached.expiresAt) return 'hit'
    if (this.#cached && now < this.#cached.expiresAt + this.#policy.maxStale) return 'stale'
    if (this.pausedFor > 0) return isNotFound(this.#pause?.error) ? 'negative' : 'backoff'
    return this.#refresh.inProgress ? 'coalesced' : 'miss'
  }

  #store(stored: StoredSecret): Secret {
    const { cacheTtl } = this.#policy
    // Jitter, so that instances that started together do not refresh together.
    const ttl = cacheTtl * (0.9 + 0.2 * this.#clock.random())
    const now = this.#clock.monotonic()
    const entry: Entry = {
      secret: { ...stored, freshness: freshUntil(now + ttl, this.#clock) },
      // The time since the read is negative if the clock of the source is ahead, or was set back in between.
      fetchedAt: now - Math.max(0, this.#clock.now() - stored.fetchedAt),
      expiresAt: now + ttl,
    }
    this.#cached = cacheTtl === 0 ? undefined : entry
    this.#loaded = true
    this.#pause = undefined
    this.#backoff.reset()
    return entry.secret
  }

  #onFailure(error: unknown): void {
    const absent = isNotFound(error)
    // The secret was deleted or access to it was revoked, so it must not be served any longer.
    if (absent || codeOf(error) === 'SOURCE_REFUSED') this.#cached = undefined
    if (absent) this.#backoff.reset()
    const pause = absent ? this.#policy.negativeTtl : this.#backoff.next()
    this.#pause = { error, until: this.#clock.monotonic() + pause }
  }

  /** The last failure, with the remaining pause as `retryAfter`. */
  #failure(): unknown {
    const error = this.#pause?.error
    if (!(error instanceof SourceFailure)) return error
    const { code, message, cause, status } = error
    return new SourceFailure(code, message, { cause, status, retryAfter: this.pausedFor })
  }
}

/** Checks the code rather than the class, because a plugin may not import the class. */
function isNotFound(error: unknown): boolean {
  return codeOf(error) === 'SECRET_NOT_FOUND'
}

/** @param expiresAt end of the TTL on the monotonic clock; the result has it on the wall clock at the time of reading */
function freshUntil(expiresAt: number, clock: Clock): Freshness {
  return {
    result: 'hit',
    get expiresAt() {
      return clock.now() + (expiresAt - clock.monotonic())
    },
  }
}

function served(secret: Secret, result: Freshness['result']): Secret {
  return { ...secret, freshness: { ...secret.freshness, result } }
}
