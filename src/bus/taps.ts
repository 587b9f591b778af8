/** Those who watch what the bus calls: for metrics, for the log, for a picture of the traffic. */
import { isPromise } from './call.ts'

/** That a listener or provider was called, and how it went. */
export interface Activity {
  /** The channel's name. */
  readonly channel: string
  /** The listener's or provider's name. */
  readonly by: string
  /** The call's id. */
  readonly id: string | undefined
  /** How long it took, in milliseconds. */
  readonly ms: number
  /** What it failed with; absent when it did not. */
  readonly error?: unknown
}

export type Observer = (activity: Activity) => void

export class Taps {
  readonly #observers = new Set<Observer>()
  readonly #onError: (error: unknown) => void

  /** @param onError is handed what an observer throws, which harms neither the call nor the other observers */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }

  get size(): number {
    return this.#observers.size
  }

  add(observer: Observer): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  /** Gets the answer, and tells every observer how that went. */
  observe<Output>(
    channel: string,
    by: string,
    id: string | undefined,
    answer: () => Output | Promise<Output>,
  ): Output | Promise<Output> {
    const began = performance.now()
    const succeed = () => this.#tell({ channel, by, id, ms: performance.now() - began })
    const fail = (error: unknown) => this.#tell({ channel, by, id, ms: performance.now() - began, error })
    try {
      const answered = answer()
      if (isPromise(answered)) answered.then(succeed, fail)
      else succeed()
      return answered
    } catch (error) {
      fail(error)
      throw error
    }
  }

  #tell(activity: Activity): void {
    for (const observer of this.#observers) {
      try {
        const told: unknown = observer(activity)
        if (isPromise(told)) told.then(undefined, this.#onError)
      } catch (error) {
        this.#onError(error)
      }
    }
  }
}
