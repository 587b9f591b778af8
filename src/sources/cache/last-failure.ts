/** The failure of the last read, and the pause that follows it. */
import { type Backoff, backoff } from '../../bus/process/backoff.ts'
import { SourceFailure } from '../../secret.ts'
import type { Clock } from '../clock.ts'
import type { ResolvedPolicy } from './policy.ts'

/** Times are on the monotonic clock. */
interface Failure {
  readonly error: unknown
  /** Whether the error means that the value does not exist. */
  readonly isAbsent: boolean
  readonly sentAt: number
  /** No read is made before this time. */
  readonly pausedUntil: number
}

export class LastFailure {
  readonly #policy: ResolvedPolicy
  readonly #clock: Clock
  readonly #backoff: Backoff
  #failure: Failure | undefined

  constructor(policy: ResolvedPolicy, clock: Clock) {
    this.#policy = policy
    this.#clock = clock
    this.#backoff = backoff({ random: clock.random })
  }

  /** Whether the last read has failed. */
  get exists(): boolean {
    return this.#failure !== undefined
  }

  /** Time until the next read is allowed, in milliseconds. */
  get pausedFor(): number {
    return this.#failure ? Math.max(0, this.#failure.pausedUntil - this.#clock.monotonic()) : 0
  }

  /** The error, with the remaining pause as `retryAfter`. */
  get error(): unknown {
    const error = this.#failure?.error
    if (!(error instanceof SourceFailure)) return error
    const { code, message, cause, status } = error
    return new SourceFailure(code, message, { cause, status, retryAfter: this.pausedFor })
  }

  /**
   * Whether reading fails: from a failed read to the next successful one. If nothing but requests causes reads, the
   * request after the pause has to find out.
   */
  isFailing(now: number): boolean {
    return this.#failure !== undefined && (this.#policy.refreshesAhead || now < this.#failure.pausedUntil)
  }

  /**
   * The result of a request for which no value can be served during a pause; undefined if it may cause a read.
   * @param accepted age in milliseconds up to which the request accepts that the value is absent
   */
  resultAt(now: number, accepted: number): 'negative' | 'backoff' | undefined {
    const failure = this.#failure
    if (!failure || failure.pausedUntil <= now) return undefined
    if (!failure.isAbsent) return 'backoff'
    return now - failure.sentAt < accepted ? 'negative' : undefined
  }

  record(error: unknown, isAbsent: boolean, sentAt: number): void {
    if (isAbsent) this.#backoff.reset()
    const pause = isAbsent ? this.#policy.negativeTtl : this.#backoff.next()
    this.#failure = { error, isAbsent, sentAt, pausedUntil: this.#clock.monotonic() + pause }
  }

  /** Ends the pause. */
  resume(): void {
    if (this.#failure) this.#failure = { ...this.#failure, pausedUntil: Number.NEGATIVE_INFINITY }
  }

  /** Call it after a successful read. */
  clear(): void {
    this.#failure = undefined
    this.#backoff.reset()
  }
}
