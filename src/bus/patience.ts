/** How long the process waits for its listeners: for ever while it lives, for a bounded time once it exits. */
import { after, type Call } from './call.ts'
import { ShutdownTimeout } from './errors.ts'

/** What those who have not run when the time is over are given together, in milliseconds. */
const lastChance = 1_000

/**
 * The call that every event of the process is published with. Since each listener reads the signal as its turn comes,
 * the one that runs when the time is over is left behind, and those after it have the last second.
 */
export class Patience implements Call {
  #controller = new AbortController()
  #cancel = () => {}
  #over = false

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether somebody was left behind, or would have been. */
  get over(): boolean {
    return this.#over
  }

  /** Lets the time run, `ms` milliseconds of it. */
  begin(ms: number): void {
    this.#cancel = after(ms, () => {
      const running = this.#controller
      this.#over = true
      this.#controller = new AbortController()
      this.#cancel = after(lastChance, () => this.#controller.abort(new ShutdownTimeout(ms + lastChance)))
      running.abort(new ShutdownTimeout(ms))
    })
  }

  end(): void {
    this.#cancel()
  }
}
