/** Runs tasks one at a time: each starts when all earlier ones have finished. */
export class Serial {
  #last: Promise<void> | undefined

  /** Runs the task when its turn comes, immediately if no other task is running. */
  run<Result>(task: () => Promise<Result>): Promise<Result> {
    const { promise: finished, resolve } = Promise.withResolvers<void>()
    const previous = this.#last
    // Set before the task starts, because the task may queue another one.
    this.#last = finished
    const result = previous ? previous.then(task) : task()
    return result.finally(() => {
      if (this.#last === finished) this.#last = undefined
      resolve()
    })
  }
}
