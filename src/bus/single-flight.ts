/** Work of which one piece is under way at a time, however many ask for it. */
import { deferred } from './deferred.ts'

export class SingleFlight<Result> {
  #flight: Promise<Result> | undefined

  get underWay(): boolean {
    return this.#flight !== undefined
  }

  /** Resolves when nothing is under way, whatever became of it. */
  async landed(): Promise<void> {
    await this.#flight?.catch(() => {})
  }

  /** Begins the work, or joins the one under way. */
  run(work: () => Promise<Result>): Promise<Result> {
    if (this.#flight) return this.#flight
    const { promise, resolve } = deferred<Result>()
    const flight = promise.finally(() => {
      this.#flight = undefined
    })
    // Known before it begins, for work may ask for itself.
    this.#flight = flight
    resolve(work())
    return flight
  }
}
