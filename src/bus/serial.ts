/** Work that never overlaps: each piece begins when those before it are through. */
import { deferred } from './deferred.ts'

export class Serial {
  #last: Promise<void> | undefined

  /** Does the work in its turn, at once if nothing is before it. */
  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const { promise: through, resolve } = deferred<void>()
    const before = this.#last
    // Known before it begins, for work may ask for more of it.
    this.#last = through
    const result = before ? before.then(work) : work()
    return result.finally(() => {
      if (this.#last === through) this.#last = undefined
      resolve()
    })
  }
}
