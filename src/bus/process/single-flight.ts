/** Shares one running task between all concurrent callers. */
export class SingleFlight<Result> {
  #flight: Promise<Result> | undefined

  get inProgress(): boolean {
    return this.#flight !== undefined
  }

  /** Resolves when no task is running, regardless of how the last one ended. */
  async idle(): Promise<void> {
    await this.#flight?.catch(() => {})
  }

  /** Starts the task, or joins the running one. */
  run(task: () => Promise<Result>): Promise<Result> {
    if (this.#flight) return this.#flight
    const { promise, resolve } = Promise.withResolvers<Result>()
    const flight = promise.finally(() => {
      this.#flight = undefined
    })
    // Set before the task starts, because the task may call `run` itself.
    this.#flight = flight
    resolve(task())
    return flight
  }
}
