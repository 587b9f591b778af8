/** The time limit of lifecycle events: none while the process runs, and a bounded time once it exits. */
import { after, type Call } from '../call.ts'
import { ShutdownTimeout } from '../errors.ts'

/** Total time for the remaining listeners once the deadline has passed, in milliseconds. */
const gracePeriod = 1_000

/**
 * The call context of every lifecycle event. Each listener reads the signal when its turn comes, so the listener that
 * is running at the deadline is abandoned, and the remaining ones share the grace period.
 */
export class ShutdownDeadline implements Call {
  #controller = new AbortController()
  #cancel = () => {}
  #passed = false

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether the deadline has passed. */
  get passed(): boolean {
    return this.#passed
  }

  /** Sets the deadline, `ms` milliseconds from now. */
  begin(ms: number): void {
    this.#cancel = after(ms, () => {
      const running = this.#controller
      this.#passed = true
      this.#controller = new AbortController()
      this.#cancel = after(gracePeriod, () => this.#controller.abort(new ShutdownTimeout(ms + gracePeriod)))
      running.abort(new ShutdownTimeout(ms))
    })
  }

  end(): void {
    this.#cancel()
  }
}
