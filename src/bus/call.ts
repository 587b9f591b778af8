/** Enforces the limits of one call: timeout, deadline, abort signal and nesting. */
import { CallCycle } from './errors.ts'

/** The trace that a call belongs to: https://www.w3.org/TR/trace-context/ */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** The span that caused the call, 16 hexadecimal digits. */
  readonly spanId: string
  /** The `trace-flags`; bit 0 is set if the caller may have recorded the span. */
  readonly flags: number
  /** The `tracestate` as received. */
  readonly state?: string | undefined
}

/** The context that a caller passes along with a payload or query. */
export interface Call {
  /** Correlates all calls made for one cause, such as an HTTP request. */
  readonly id?: string | undefined
  /** Aborts when the caller no longer needs the result. */
  readonly signal?: AbortSignal | undefined
  /** The time after which the caller no longer needs the result, in milliseconds since the epoch. */
  readonly deadline?: number | undefined
  /** The trace that the call belongs to, if its cause came with one. */
  readonly trace?: TraceContext | undefined
}

/**
 * The context that listeners and providers receive, always with a signal and a deadline. Both are created when first
 * read, so pass the object on as it is: a copy made by spreading has neither. The signal never aborts after the call
 * has ended, so it does not stop work that a listener starts without awaiting it.
 */
export interface CallContext extends Call {
  /** Aborts when the time limit is reached or the caller's signal aborts, with the reason that the caller receives. */
  readonly signal: AbortSignal
  /** The time after which the caller no longer needs the result, in milliseconds since the epoch, or `Infinity`. */
  readonly deadline: number
}

/** A call as interceptors and taps see it: everything but its payload. */
export interface InterceptedCall extends CallContext {
  /** The channel's name. */
  readonly channel: string
  readonly kind: 'event' | 'request'
  /** The listener's or provider's name. */
  readonly handler: string
  /** The call whose listener or provider makes this one, as far as it is known; see rule 13a. */
  readonly parent: InterceptedCall | undefined
}

/** A listener or a provider. */
export interface Callee<Input, Output> {
  /** Returns its result synchronously or as a promise. */
  readonly run: (input: Input, call: CallContext) => Output | PromiseLike<Output>
  /** Creates the error for a call that took longer than `ms` milliseconds. */
  readonly timeoutError: (ms: number) => Error
}

type ChannelLabel = { readonly name: string; readonly kind: 'event' | 'request' }
type CalleeLabel = { readonly name: string }

/** The end of a call. An object, because the reason of an abort may be any value, including `undefined`. */
interface End {
  readonly reason: unknown
}

/** The longest delay that `setTimeout` supports, about 24 days. A longer timeout counts as no limit. */
export const longestDelay = 2 ** 31 - 1

/** The number of nested calls up to which a channel may occur several times. */
export const nestingLimit = 64

/** Enforces the limits of one call. */
export class LimitedCall implements InterceptedCall {
  readonly id: string | undefined
  readonly #given: Call | undefined
  readonly #timeout: number
  readonly #channel: ChannelLabel
  readonly #callee: CalleeLabel
  readonly #parent: LimitedCall | undefined
  readonly #root: LimitedCall
  readonly #depth: number
  /** Set on the outermost call only. */
  #cycle: CallCycle | undefined
  #deadline: number | undefined
  #controller: AbortController | undefined
  /** When the time limit is reached, on the monotonic clock; undefined until it is needed. */
  #until: number | undefined
  /** The latest answer to which the limits apply. */
  #limited: unknown
  #end: End | undefined

  /**
   * @param given the caller's context
   * @param timeout time limit in milliseconds, in addition to those of `given`; `Infinity` means no limit
   * @param parent the call whose listener or provider makes this one
   * @throws CallCycle if the nesting limit is exceeded and the channel already occurs among the parents
   */
  constructor(
    given: Call | undefined,
    timeout: number,
    channel: ChannelLabel,
    callee: CalleeLabel,
    parent?: LimitedCall,
  ) {
    this.id = given?.id
    this.#given = given
    this.#timeout = timeout
    this.#channel = channel
    this.#callee = callee
    this.#parent = parent
    if (parent === undefined) {
      this.#root = this
      this.#depth = 1
    } else {
      this.#root = parent.#root
      this.#depth = parent.#depth + 1
      parent.#rejectCycle(channel.name)
    }
  }

  get trace(): TraceContext | undefined {
    return this.#given?.trace ?? this.#parent?.trace
  }

  get channel(): string {
    return this.#channel.name
  }

  get kind(): 'event' | 'request' {
    return this.#channel.kind
  }

  get handler(): string {
    return this.#callee.name
  }

  get parent(): InterceptedCall | undefined {
    return this.#parent
  }

  get deadline(): number {
    const own = () => (this.#timeout === Infinity ? Infinity : Date.now() + this.#timeout)
    this.#deadline ??= Math.min(this.#given?.deadline ?? Infinity, own())
    return this.#deadline
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    const end = LimitedCall.#endOf(this)
    if (end) this.#controller.abort(end.reason)
    return this.#controller.signal
  }

  /**
   * Runs the callee within the limits, also repeatedly. A synchronous result needs neither timer nor signal, and the
   * promise of a call without limits is returned unchanged.
   * @throws the reason, without running the callee, if the call has already ended; RangeError if the deadline is not a
   *   number; otherwise what the callee throws
   */
  run<Input, Output>(callee: Callee<Input, Output>, input: Input): Output | Promise<Output> {
    const end = LimitedCall.#endOf(this)
    if (end) throw end.reason
    const remaining = this.#inheritedTime()
    if (Number.isNaN(remaining))
      throw new RangeError('deadline must be a number of milliseconds since the epoch, received NaN')
    if (remaining <= 0) throw callee.timeoutError(0)
    const answer = callee.run(input, this)
    return this.limit(answer, callee.timeoutError)
  }

  /** Applies the limits to an asynchronous answer, unless they have been. */
  limit<Output>(answer: Output | PromiseLike<Output>, timeoutError: (ms: number) => Error): Output | Promise<Output> {
    if (!isPromise(answer)) return answer
    if (answer === this.#limited) return answer as Promise<Output> // the result of this method
    // Converted once, because a thenable may start its work on every call of `then`.
    const limited = this.#race(answer instanceof Promise ? answer : Promise.resolve(answer), timeoutError)
    this.#limited = limited
    return limited
  }

  /** Settles with the answer, or rejects as soon as the call ends, even if the callee ignores its signal. */
  #race<Output>(answer: Promise<Output>, timeoutError: (ms: number) => Error): Promise<Output> {
    const ms = Math.max(0, Math.min(this.#timeout, this.#inheritedTime()))
    const signal = this.#given?.signal
    if (ms > longestDelay && !signal) return answer
    this.#deadline = this.deadline // fixed when the call starts, not when first read
    const now = performance.now()
    const remaining = this.#until === undefined ? ms : Math.max(0, Math.ceil(this.#until - now))
    this.#until ??= now + ms
    return new Promise((resolve, reject) => {
      const terminate = (reason: unknown) => {
        release()
        this.#end = { reason }
        this.#controller?.abort(reason)
        reject(reason)
      }
      const abort = () => terminate(signal?.reason)
      const cancel = after(remaining, () => terminate(timeoutError(ms)))
      const release = () => {
        cancel()
        signal?.removeEventListener('abort', abort)
      }
      signal?.addEventListener('abort', abort)
      if (signal?.aborted) abort()
      void answer.then(resolve, reject).then(release)
    })
  }

  /**
   * Rejects a cyclic call. After a cycle has been found, calls of its channels within the same outermost call fail
   * immediately. Otherwise, two calls per level would add up to 2^64.
   */
  #rejectCycle(channel: string): void {
    const root = this.#root
    if (this.#depth >= nestingLimit && !root.#cycle) root.#cycle = this.#cycleTo(channel)
    if (root.#cycle?.channels.includes(channel)) throw root.#cycle
  }

  /** The cycle that a call on the channel would close. */
  #cycleTo(channel: string): CallCycle | undefined {
    const channels = [channel]
    for (let call: LimitedCall | undefined = this; call !== undefined; call = call.#parent) {
      channels.unshift(call.channel)
      if (call.channel === channel) return new CallCycle(channels, nestingLimit)
    }
    return undefined
  }

  /** The time left until the caller's deadline, in milliseconds. */
  #inheritedTime(): number {
    const deadline = this.#given?.deadline
    return deadline === undefined ? Infinity : deadline - Date.now()
  }

  static #endOf(call: Call | undefined): End | undefined {
    if (call instanceof LimitedCall) return call.#end ?? LimitedCall.#endOf(call.#given)
    return call?.signal?.aborted ? { reason: call.signal.reason } : undefined
  }
}

export function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | undefined)?.then === 'function'
}

/** Runs a function after a delay in milliseconds and returns the function that cancels it. `Infinity` means never. */
export function after(ms: number, run: () => void): () => void {
  if (ms > longestDelay) return () => {}
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}

/** @throws RangeError unless this is a non-negative number of milliseconds, or `Infinity` for no limit */
export function checkDuration(ms: number): void {
  if (!(ms >= 0))
    throw new RangeError(`duration must be a non-negative number of milliseconds or Infinity, received ${ms}`)
}
