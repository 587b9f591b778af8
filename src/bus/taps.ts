/** Those who watch what the bus calls: for metrics, for the log, for a picture of the traffic. */
import { type Callee, isPromise, type LimitedCall } from './call.ts'

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

  /** Makes the call, and tells every observer how that went. */
  observe<Input, Output>(
    channel: string,
    call: LimitedCall,
    callee: Callee<Input, Output> & { readonly name: string },
    input: Input,
  ): Output | Promise<Output> {
    const { id } = call
    const by = callee.name
    const began = performance.now()
    const fail = (error: unknown) => this.#tell({ channel, by, id, ms: performance.now() - began, error })
    try {
      const answer = call.hold(callee, input)
      if (!isPromise(answer)) this.#tell({ channel, by, id, ms: performance.now() - began })
      else answer.then(() => this.#tell({ channel, by, id, ms: performance.now() - began }), fail)
      return answer
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
