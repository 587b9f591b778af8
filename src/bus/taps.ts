/** Taps: observers of every call on the bus, for metrics, the debug log and the inspector. */
import { performance } from 'node:perf_hooks'
import { type InterceptedCall, isPromise } from './call.ts'
import { codeOf } from './errors.ts'
import type { Interceptor } from './interceptors.ts'

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

export type Observer = (activity: Activity, call: InterceptedCall) => void

/**
 * Returns the interceptor that reports the outcome of every call to the observer.
 * @param onError receives what the observer throws; the call is not affected
 */
export function observing(observer: Observer, onError: (error: unknown) => void): Interceptor {
  const notify = (call: InterceptedCall, startedAt: number, failure?: { readonly error: unknown }) => {
    const { channel, handler: by, id } = call
    const ms = performance.now() - startedAt
    try {
      const activity = failure ? { channel, by, id, ms, error: failure.error } : { channel, by, id, ms }
      const result: unknown = observer(activity, call)
      if (isPromise(result)) result.then(undefined, onError)
    } catch (error) {
      onError(error)
    }
  }
  return (call, next) => {
    const startedAt = performance.now()
    let answer: unknown
    try {
      answer = next()
    } catch (error) {
      notify(call, startedAt, { error })
      throw error
    }
    if (isPromise(answer))
      answer.then(
        () => notify(call, startedAt),
        (error: unknown) => notify(call, startedAt, { error }),
      )
    else notify(call, startedAt)
    return answer
  }
}

/** @param isRefusal whether an error refuses what the caller asked for, rather than reporting a failure; never by default */
export function outcomeOf(activity: Activity, isRefusal: (error: unknown) => boolean = () => false): Outcome {
  if (!('error' in activity)) return 'ok'
  const code = codeOf(activity.error)
  if (code === 'BUS_REQUEST_TIMEOUT' || code === 'BUS_LISTENER_TIMEOUT') return 'timeout'
  return isRefusal(activity.error) ? 'refused' : 'error'
}
