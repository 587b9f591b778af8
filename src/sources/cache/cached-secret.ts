/** One secret in the cache: for how long it is served, and what is served when it cannot be fetched. */
import { codeOf } from '../../bus/errors.ts'
import { SingleFlight } from '../../bus/process/single-flight.ts'
import { type Freshness, type Secret, SourceFailure, type StoredSecret } from '../../secret.ts'
import type { Clock } from '../clock.ts'
import { Backoff } from './backoff.ts'

export interface CachePolicy {
  /** Lifetime of a secret in milliseconds, give or take 10%; `Infinity` is for ever, 0 is no caching at all. */
  readonly cacheTtl: number
  /** How long beyond its lifetime a secret is served while it cannot be fetched, in milliseconds. */
  readonly maxStale: number
  /** How long it is remembered that there is no such secret, in milliseconds. */
  readonly negativeTtl: number
}

/**
 * How a reading of the cache went: as `Freshness` has it; `negative` where it is remembered that there is no such secret;
 * `backoff` where the last failure is the answer until the source is asked again.
 */
export type ReadResult = Freshness['result'] | 'negative' | 'backoff'

/** Reads the secret from its source. The id is that of the call which causes the reading. */
export type Fetch = (id: string | undefined) => Promise<StoredSecret>

export class CachedSecret {
  /** How many readings went how. */
  readonly reads: Record<ReadResult, number> = { hit: 0, stale: 0, miss: 0, coalesced: 0, negative: 0, backoff: 0 }
  readonly #fetch: Fetch
  readonly #policy: CachePolicy
  readonly #clock: Clock
  readonly #flights = new SingleFlight<Secret>()
  readonly #backoff: Backoff
  /** The last value, as it is served while fresh. */
  #held: Secret | undefined
  /** Why the source is not asked for now, since when and until when, in milliseconds since the epoch. */
  #pause: { readonly error: unknown; readonly since: number; readonly until: number } | undefined
  #loaded = false

  constructor(fetch: Fetch, policy: CachePolicy, clock: Clock) {
    this.#fetch = fetch
    this.#policy = policy
    this.#clock = clock
    this.#backoff = new Backoff(clock.random)
  }

  /** Whether the source has ever given a value. */
  get loaded(): boolean {
    return this.#loaded
  }

  /** How long the source is not asked from now on, in milliseconds. */
  get pausedFor(): number {
    const now = this.#clock.now()
    // A clock that was set back would make it as long as it was set back.
    if (this.#pause === undefined || now < this.#pause.since) return 0
    return Math.max(0, this.#pause.until - now)
  }

  get state(): 'fresh' | 'stale' | 'missing' {
    const result = this.#lookUp()
    if (result === 'hit') return 'fresh'
    if (result === 'stale') return 'stale'
    return this.#policy.cacheTtl === 0 && this.#loaded && !this.#pause ? 'fresh' : 'missing'
  }

  /** How old the value is that would be served, in milliseconds; `undefined` if there is none. */
  get age(): number | undefined {
    return this.#held && this.state !== 'missing' ? this.#clock.now() - this.#held.fetchedAt : undefined
  }

  /**
   * The value: at once if there is one to serve, else when the source has answered.
   * @throws the last failure at once, while the source is not to be asked again; else what the source fails with
   */
  get(id: string | undefined): Secret | Promise<Secret> {
    const result = this.#lookUp()
    this.reads[result] += 1
    const held = this.#held
    if (held && result === 'hit') return held
    if (held && result === 'stale') {
      if (this.pausedFor === 0) this.#refetch(id).catch(() => {}) // whoever fetches has logged it
      return served(held, result)
    }
    this.#held = undefined
    if (result === 'negative' || result === 'backoff') throw this.#failure()
    return this.#refetch(id).then((secret) => served(secret, result))
  }

  /**
   * Fetches, if the source may be asked now. It does not count as a reading.
   * @throws what the source fails with, or has failed with
   */
  async load(): Promise<void> {
    if (this.pausedFor > 0) throw this.#failure()
    await this.#refetch(undefined)
  }

  /**
   * Fetches now. The old value is served until the new one is there. A fetch that is under way is let through first, for
   * it may have read before whatever is the reason to reload.
   * @throws what the source fails with
   */
  async reload(): Promise<void> {
    await this.#flights.idle()
    await this.#refetch(undefined)
  }

  /** How a reading would go now. */
  #lookUp(): ReadResult {
    const now = this.#clock.now()
    if (this.#held && now < this.#held.freshness.expiresAt) return 'hit'
    if (this.#held && now < this.#staleUntil(this.#held)) return 'stale'
    if (this.pausedFor > 0) return isAbsence(this.#pause?.error) ? 'negative' : 'backoff'
    return this.#flights.inProgress ? 'coalesced' : 'miss'
  }

  #refetch(id: string | undefined): Promise<Secret> {
    return this.#flights.run(async () => {
      try {
        return this.#keep(await this.#fetch(id))
      } catch (error) {
        this.#onFailure(error)
        throw this.#failure()
      }
    })
  }

  #keep(stored: StoredSecret): Secret {
    const { cacheTtl } = this.#policy
    // Tasks that were started together do not all refetch together.
    const lifetime = cacheTtl * (0.9 + 0.2 * this.#clock.random())
    const secret: Secret = { ...stored, freshness: { result: 'hit', expiresAt: this.#clock.now() + lifetime } }
    this.#held = cacheTtl === 0 ? undefined : secret
    this.#loaded = true
    this.#pause = undefined
    this.#backoff.reset()
    return secret
  }

  #onFailure(error: unknown): void {
    const absent = isAbsence(error)
    // The source has said that this is no longer to be had, so it is revoked here too.
    if (absent || codeOf(error) === 'SOURCE_REFUSED') this.#held = undefined
    if (absent) this.#backoff.reset()
    const pause = absent ? this.#policy.negativeTtl : this.#backoff.next()
    const since = this.#clock.now()
    this.#pause = { error, since, until: since + pause }
  }

  /** The last failure, with how long it is the answer. */
  #failure(): unknown {
    const error = this.#pause?.error
    if (!(error instanceof SourceFailure)) return error
    return new SourceFailure(error.code, error.message, { cause: error.cause, retryAfter: this.pausedFor })
  }

  #staleUntil({ freshness }: Secret): number {
    return freshness.expiresAt + this.#policy.maxStale
  }
}

/** By the code and not by the class, which a source that is loaded at run time need not import. */
function isAbsence(error: unknown): boolean {
  return codeOf(error) === 'SECRET_NOT_FOUND'
}

function served(secret: Secret, result: Freshness['result']): Secret {
  return { ...secret, freshness: { ...secret.freshness, result } }
}
