/**
 * The limits of a call in time: timeout, deadline, abort. Here one call is held to them; whom to call, and in which
 * order, is the bus's affair.
 */

/** What travels beside a payload or a query. */
export interface Call {
  /** Correlates what is done for one cause, such as an HTTP request. */
  readonly id?: string | undefined
  /** Aborts when the answer is no longer wanted. */
  readonly signal?: AbortSignal | undefined
  /** When the answer is no longer wanted, in milliseconds since the epoch. */
  readonly deadline?: number | undefined
}

/**
 * The call as listeners and providers are handed it, always with a signal and a deadline. Both are made when first read,
 * so pass it on as it is: a copy made by spreading has neither. It lives as long as the call, so what a listener begins
 * and does not wait for is not aborted by it.
 */
export interface HandedCall extends Call {
  /** Aborts when the time is over and when the caller's own signal aborts, for the reason that the caller is told. */
  readonly signal: AbortSignal
  /** When the answer is no longer wanted, in milliseconds since the epoch; `Infinity` is never. */
  readonly deadline: number
}

/** What is called: a listener or a provider. */
export interface Callee<Input, Output> {
  /** Answers at once or with a promise. */
  readonly run: (input: Input, call: HandedCall) => Output | PromiseLike<Output>
  /** Makes the error for an answer that took longer than `ms` milliseconds. */
  readonly late: (ms: number) => Error
}

/** Why a call is over. An object, since the reason of an abort may be any value, `undefined` too. */
interface End {
  readonly reason: unknown
}

/** The longest delay that `setTimeout` takes, about 24 days. What is longer is no limit. */
const longestDelay = 2 ** 31 - 1

/** Keeps one call within its limits. */
export class LimitedCall implements HandedCall {
  readonly id: string | undefined
  readonly #given: Call | undefined
  readonly #timeout: number
  #deadline: number | undefined
  #controller: AbortController | undefined
  #end: End | undefined

  /**
   * @param given the call as the caller made it
   * @param timeout how long the answer may take, in milliseconds, within what `given` allows; `Infinity` is no limit
   */
  constructor(given: Call | undefined, timeout: number) {
    this.id = given?.id
    this.#given = given
    this.#timeout = timeout
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
   * Has the callee answer within the limits. An answer given at once costs no timer and no signal, and a promise
   * without limits is handed on as it is.
   * @throws the reason, without calling, when the call is over already; RangeError for a deadline that is none; else
   *   whatever the callee throws
   */
  hold<Input, Output>(callee: Callee<Input, Output>, input: Input): Output | Promise<Output> {
    const end = LimitedCall.#endOf(this.#given)
    if (end) throw end.reason
    const left = this.#inheritedTime()
    if (Number.isNaN(left)) throw new RangeError('a deadline is a number of milliseconds since the epoch')
    if (left <= 0) throw callee.late(0)
    const answer = callee.run(input, this)
    if (!isPromise(answer)) return answer
    // What only has a `then` may do its work whenever that is called: from here on it is called once.
    return this.#race(answer instanceof Promise ? answer : Promise.resolve(answer), callee.late)
  }

  /** Settles as the answer does, or is rejected as soon as the call is over, whether or not the callee takes notice. */
  #race<Output>(answer: Promise<Output>, late: (ms: number) => Error): Promise<Output> {
    this.#deadline = this.deadline // counted from now, not from when somebody looks
    const ms = Math.max(0, Math.min(this.#timeout, this.#inheritedTime()))
    const signal = this.#given?.signal
    if (ms > longestDelay && !signal) return answer
    return new Promise((resolve, reject) => {
      const giveUp = (reason: unknown) => {
        release()
        this.#end = { reason }
        this.#controller?.abort(reason)
        reject(reason)
      }
      const abort = () => giveUp(signal?.reason)
      const cancel = after(ms, () => giveUp(late(ms)))
      const release = () => {
        cancel()
        signal?.removeEventListener('abort', abort)
      }
      signal?.addEventListener('abort', abort)
      if (signal?.aborted) abort()
      void answer.then(resolve, reject).then(release)
    })
  }

  /** What the caller's deadline leaves, in milliseconds. */
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

/** Runs something after a delay in milliseconds, and answers with what calls that off. No limit, `Infinity`, is never. */
export function after(ms: number, run: () => void): () => void {
  if (ms > longestDelay) return () => {}
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}

/** @throws RangeError if this is no duration: a number of milliseconds, not negative, or `Infinity` for no limit */
export function checkDuration(ms: number): void {
  if (!(ms >= 0)) throw new RangeError(`a duration is a number of milliseconds, or Infinity for no limit, not ${ms}`)
}
