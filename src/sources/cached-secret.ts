/** One secret in the cache: for how long it is served, and what is served when it cannot be fetched. */
import { SingleFlight } from '../bus/single-flight.ts'
import { type Freshness, type Secret, SourceFailure, type StoredSecret } from '../secret.ts'
import { Backoff } from './backoff.ts'
import type { Clock } from './clock.ts'

export interface CachePolicy {
  /** Lifetime of a secret in milliseconds, give or take 10%; `Infinity` is for ever, 0 is no caching at all. */
  readonly cacheTtl: number
  /** How long beyond its lifetime a secret is served while it cannot be fetched, in milliseconds. */
  readonly maxStale: number
  /** How long it is remembered that there is no such secret, in milliseconds. */
  readonly negativeTtl: number
}

/** Reads the secret from its source. The id is that of the call which causes the reading. */
export type Fetch = (id: string | undefined) => Promise<StoredSecret>

export class CachedSecret {
  readonly #fetch: Fetch
  readonly #policy: CachePolicy
  readonly #clock: Clock
  readonly #flights = new SingleFlight<Secret>()
  readonly #backoff: Backoff
  /** The last value, as it is served while fresh. */
  #held: Secret | undefined
  /** Why the source is not asked for now, and until when, in milliseconds since the epoch. */
  #pause: { readonly error: unknown; readonly until: number } | undefined
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
    return this.#pause === undefined ? 0 : Math.max(0, this.#pause.until - this.#clock.now())
  }

  get state(): 'fresh' | 'stale' | 'missing' {
    const now = this.#clock.now()
    if (this.#held && now < this.#held.freshness.expiresAt) return 'fresh'
    if (this.#held && now < this.#staleUntil(this.#held)) return 'stale'
    return this.#policy.cacheTtl === 0 && this.#loaded && !this.#pause ? 'fresh' : 'missing'
  }

  /**
   * The value: at once if there is one to serve, else when the source has answered.
   * @throws the last failure at once, while the source is not to be asked again; else what the source fails with
   */
  get(id: string | undefined): Secret | Promise<Secret> {
    const now = this.#clock.now()
    const paused = this.pausedFor > 0
    if (this.#held && now < this.#held.freshness.expiresAt) return this.#held
    if (this.#held && now < this.#staleUntil(this.#held)) {
      if (!paused) this.#refetch(id).catch(() => {}) // whoever fetches has logged it
      return served(this.#held, 'stale')
    }
    this.#held = undefined
    if (paused) throw this.#failure()
    const result = this.#flights.underWay ? 'collapsed' : 'miss'
    return this.#refetch(id).then((secret) => served(secret, result))
  }

  /**
   * Fetches now. The old value is served until the new one is there. A fetch that is under way is let through first, for
   * it may have read before whatever is the reason to reload.
   * @throws what the source fails with
   */
  async reload(): Promise<void> {
    await this.#flights.landed()
    await this.#refetch(undefined)
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
    const code = codeOf(error)
    const absent = code === 'SECRET_NOT_FOUND'
    // The source has said that this is no longer to be had, so it is revoked here too.
    if (absent || code === 'SOURCE_REFUSED') this.#held = undefined
    if (absent) this.#backoff.reset()
    const pause = absent ? this.#policy.negativeTtl : this.#backoff.next()
    this.#pause = { error, until: this.#clock.now() + pause }
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
function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

function served(secret: Secret, result: Freshness['result']): Secret {
  return { ...secret, freshness: { ...secret.freshness, result } }
}
