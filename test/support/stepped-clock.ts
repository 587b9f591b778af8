/** A clock of a background loop whose pauses end when the test says so, without time passing. */
import type { LoopClock } from '../../src/bus/process/background-loop.ts'

export class SteppedClock implements LoopClock {
  readonly random = () => 0.5
  #pause = Promise.withResolvers<{ readonly ms: number; readonly end: () => void }>()
  /** The number of pauses that have begun. */
  pauses = 0

  readonly sleep = (ms: number, signal: AbortSignal) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    this.pauses += 1
    this.#pause.resolve({ ms, end: resolve })
    return promise
  }

  /** Resolves to the length of the current pause, or of the next one, in milliseconds. */
  async pause(): Promise<number> {
    return (await this.#pause.promise).ms
  }

  /** Ends the current pause, and resolves to the length of the next one. */
  async next(): Promise<number> {
    const { end } = await this.#pause.promise
    this.#pause = Promise.withResolvers()
    end()
    return this.pause()
  }
}
