/** Time that moves only when told to, and chance that is what it is set to. */
import type { Clock } from '../../src/sources/clock.ts'

export class ManualClock implements Clock {
  /** What `random` answers with. In the middle, so that a jitter around a value is none. */
  chance = 0.5
  #now = Date.UTC(2025, 0, 1)
  readonly #sleepers = new Set<{ readonly until: number; readonly wake: () => void }>()

  readonly now = () => this.#now
  readonly random = () => this.chance

  readonly sleep = (ms: number, signal: AbortSignal) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const sleeper = { until: this.#now + ms, wake: resolve }
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    else this.#sleepers.add(sleeper)
    signal.addEventListener('abort', abort)
    return promise.finally(() => {
      this.#sleepers.delete(sleeper)
      signal.removeEventListener('abort', abort)
    })
  }

  /** How long each sleeper has still to sleep, in milliseconds. */
  get sleeping(): number[] {
    return [...this.#sleepers].map(({ until }) => until - this.#now)
  }

  /** Moves the time, and lets everything happen that does not wait for more of it. */
  async advance(ms: number): Promise<void> {
    this.#now += ms
    for (const { until, wake } of this.#sleepers) if (until <= this.#now) wake()
    await settled()
  }
}

/** Resolves when all has happened that waits for nothing but its turn. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
