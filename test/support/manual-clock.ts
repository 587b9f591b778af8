/** A clock that tests advance manually, with a fixed random number. */
import type { Clock } from '../../src/sources/clock.ts'

export class ManualClock implements Clock {
  /** The result of `random`. The default, 0.5, makes a symmetric jitter 0. */
  randomValue = 0.5
  #monotonic = 0
  /** The time of the wall clock when the monotonic clock was 0. */
  #origin = Date.UTC(2025, 0, 1)
  readonly #sleepers = new Set<{ readonly until: number; readonly wake: () => void }>()

  readonly now = () => this.#origin + this.#monotonic
  readonly monotonic = () => this.#monotonic
  readonly random = () => this.randomValue

  readonly sleep = (ms: number, signal: AbortSignal) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const sleeper = { until: this.#monotonic + ms, wake: resolve }
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    else this.#sleepers.add(sleeper)
    signal.addEventListener('abort', abort)
    return promise.finally(() => {
      this.#sleepers.delete(sleeper)
      signal.removeEventListener('abort', abort)
    })
  }

  /** The remaining time of each sleep, in milliseconds. */
  get sleeping(): number[] {
    return [...this.#sleepers].map(({ until }) => until - this.#monotonic)
  }

  /** Sets the wall clock forward, or back if `ms` is negative. The monotonic clock is not affected. */
  setWallClock(ms: number): void {
    this.#origin += ms
  }

  /** Advances the time by `ms` milliseconds and resolves when everything that it triggers has run. */
  async advance(ms: number): Promise<void> {
    this.#monotonic += ms
    for (const { until, wake } of this.#sleepers) if (until <= this.#monotonic) wake()
    await settled()
  }
}

/** Resolves when all pending microtasks have run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
