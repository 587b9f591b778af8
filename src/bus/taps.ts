/** Taps: observers of every call on the bus, for metrics, the debug log and the inspector. */
import { type Callee, isPromise, type LimitedCall } from './call.ts'
import { codeOf } from './errors.ts'

/** One finished call of a listener or provider. */
export interface Activity {
  /** The channel's name. */
  readonly channel: string
  /** The listener's or provider's name. */
  readonly by: string
  /** The call's id. */
  readonly id: string | undefined
  /** The duration in milliseconds. */
  readonly ms: number
  /** The error; absent if the call succeeded. */
  readonly error?: unknown
}

export type Outcome = 'ok' | 'refused' | 'error' | 'timeout'

export type Observer = (activity: Activity) => void

export class Taps {
  readonly #observers = new Set<Observer>()
  readonly #onError: (error: unknown) => void

  /** @param onError receives what an observer throws; neither the call nor the other observers are affected */
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

  /** Makes the call and reports its outcome to every observer. */
  observe<Input, Output>(
    channel: string,
    call: LimitedCall,
    callee: Callee<Input, Output> & { readonly name: string },
    input: Input,
  ): Output | Promise<Output> {
    const { id } = call
    const by = callee.name
    const startedAt = performance.now()
    const fail = (error: unknown) => this.#notify({ channel, by, id, ms: performance.now() - startedAt, error })
    try {
      const answer = call.run(callee, input)
      if (!isPromise(answer)) this.#notify({ channel, by, id, ms: performance.now() - startedAt })
      else answer.then(() => this.#notify({ channel, by, id, ms: performance.now() - startedAt }), fail)
      return answer
    } catch (error) {
      fail(error)
      throw error
    }
  }

  #notify(activity: Activity): void {
    for (const observer of this.#observers) {
      try {
        const result: unknown = observer(activity)
        if (isPromise(result)) result.then(undefined, this.#onError)
      } catch (error) {
        this.#onError(error)
      }
    }
  }
}

/** @param isRefusal whether an error refuses what the caller asked for, rather than reporting a failure; never by default */
export function outcomeOf(activity: Activity, isRefusal: (error: unknown) => boolean = () => false): Outcome {
  if (!('error' in activity)) return 'ok'
  const code = codeOf(activity.error)
  if (code === 'BUS_REQUEST_TIMEOUT' || code === 'BUS_LISTENER_TIMEOUT') return 'timeout'
  return isRefusal(activity.error) ? 'refused' : 'error'
}
