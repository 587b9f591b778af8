/** Whether the clients in use are still those of their source. */
import type { Clock } from '../clock.ts'

export class Staleness {
  readonly #maxStale: number
  readonly #clock: Pick<Clock, 'monotonic'>
  #since: number | undefined

  /** @param maxStale time in milliseconds after which stale clients must not be used any more */
  constructor(maxStale: number, clock: Pick<Clock, 'monotonic'>) {
    this.#maxStale = maxStale
    this.#clock = clock
  }

  /** The source has been read, and these are its clients. */
  end(): void {
    this.#since = undefined
  }

  /** @param ago time in milliseconds for which the clients have been stale */
  begin(ago = 0): void {
    this.#since ??= this.#clock.monotonic() - ago
  }

  /** Time in milliseconds for which the clients have been stale; 0 if they are not. */
  get duration(): number {
    return this.#since === undefined ? 0 : this.#clock.monotonic() - this.#since
  }

  get isStale(): boolean {
    return this.#since !== undefined
  }

  get isExpired(): boolean {
    return this.isStale && this.duration >= this.#maxStale
  }
}
