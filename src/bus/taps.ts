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

type Subject = Pick<Activity, 'channel' | 'by' | 'id'>

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
  observe<Output>(subject: Subject, answer: () => Output | Promise<Output>): Output | Promise<Output> {
    const began = performance.now()
    const tell = (outcome: Pick<Activity, 'error'>) =>
      this.#tell({ ...subject, ms: performance.now() - began, ...outcome })
    try {
      const answered = answer()
      if (isPromise(answered)) {
        answered.then(
          () => tell({}),
          (error) => tell({ error }),
        )
      } else tell({})
      return answered
    } catch (error) {
      tell({ error })
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
