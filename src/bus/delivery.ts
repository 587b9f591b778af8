/** Calls listeners and providers: within their time limits, through the interceptors, with each failure logged once. */
import { after, type Call, isPromise, LimitedCall } from './call.ts'
import type { Channel, EventChannel } from './channel.ts'
import { codeOf, messageOf } from './errors.ts'
import { Interceptors } from './interceptors.ts'
import type { Collector } from './outcomes.ts'
import { PendingCalls } from './pending-calls.ts'
import type { LogLevel } from './process/lifecycle.ts'
import type { Subscription } from './registry.ts'

/** Returned synchronously or as a promise. */
export type Answer<Output> = Output | Promise<Output>

type Log = (level: LogLevel, message: string, fields: object) => void

export class Delivery {
  readonly interceptors = new Interceptors((call, callee, input) => this.#run(call, callee, input))
  readonly #log: Log
  /** The call that is running, until its listener or provider returns; undefined outside of calls. */
  #running: LimitedCall | undefined

  constructor(log: Log) {
    this.#log = log
  }

  /** Creates the counter of pending calls for a new subscription. */
  pendingCalls(): PendingCalls {
    return new PendingCalls((error) => this.#log('error', messageOf(error), { err: error }))
  }

  /**
   * Calls all listeners, and returns the collector's result. If no listener returns a promise, this creates only one.
   * @throws what the collector throws, synchronously or as a rejection
   */
  publish<Payload, Output, Result>(
    channel: EventChannel<Payload, Output>,
    listeners: readonly Subscription<Payload, Output>[],
    payload: Payload,
    call: Call | undefined,
    collector: Collector<Output, Result>,
  ): Promise<Result> {
    // The publisher is still running now, but no longer when a later listener is called.
    const publisher = this.#running
    const run = (listener: Subscription<Payload, Output>) =>
      this.callListener(channel, listener, payload, call, publisher)
    if (channel.concurrent) {
      const started = listeners.map((listener) => start(() => run(listener)))
      return collect(listeners, (_listener, index) => started[index] as Promise<Output>, collector)
    }
    for (const listener of listeners) {
      try {
        const output = run(listener)
        if (isPromise(output)) {
          const answerOf = (other: typeof listener) => (other === listener ? output : run(other))
          return collect(listeners.slice(listeners.indexOf(listener)), answerOf, collector)
        }
        collector.fulfilled(listener.name, output)
      } catch (error) {
        collector.rejected(listener.name, error)
      }
    }
    return Promise.resolve(collector.result())
  }

  /** Calls one listener. Logs its failure, unless the failure is that of a nested publish, which is already logged. */
  callListener<Payload, Output>(
    channel: EventChannel<Payload, Output>,
    listener: Subscription<Payload, Output>,
    payload: Payload,
    call: Call | undefined,
    publisher = this.#running,
  ): Answer<Output> {
    try {
      const answer = this.call(channel, listener, payload, call, listener.timeout, publisher)
      if (!isPromise(answer)) return answer
      if (channel.warnAfter !== Infinity) this.#warnUntilSettled(channel, listener.name, answer)
      return answer.then(undefined, (error) => this.#fail(channel, listener, call, error))
    } catch (error) {
      return this.#fail(channel, listener, call, error)
    }
  }

  #fail<Payload, Output>(
    channel: EventChannel<Payload, Output>,
    listener: Subscription<Payload, Output>,
    call: Call | undefined,
    error: unknown,
  ): never {
    if (codeOf(error) === 'BUS_CHANNEL_FAILURES') throw error
    const fields = { channel: channel.name, listener: listener.name, reqId: call?.id, err: error }
    this.#log('error', `${listener.name} failed on ${channel.name}: ${messageOf(error)}`, fields)
    throw error
  }

  #warnUntilSettled<Payload, Output>(
    channel: EventChannel<Payload, Output>,
    listener: string,
    answer: Promise<Output>,
  ): void {
    const warnAfter = (ms: number, total: number): (() => void) =>
      after(ms, () => {
        const fields = { channel: channel.name, listener }
        this.#log('warn', `Still waiting for ${listener} on ${channel.name}, ${total / 1_000} s so far`, fields)
        cancel = warnAfter(total, 2 * total)
      })
    let cancel = warnAfter(channel.warnAfter, channel.warnAfter)
    const end = () => cancel()
    answer.then(end, end)
  }

  /**
   * Calls a listener or provider. Returns what the callee returns, synchronously or as a promise.
   * @throws CallCycle; ChannelOverloaded; what the callee throws
   */
  call<Input, Output>(
    channel: Channel<Input, Output>,
    callee: Subscription<Input, Output>,
    input: Input,
    given: Call | undefined,
    timeout: number,
    caller = this.#running,
  ): Answer<Output> {
    callee.pending.check(channel.name, callee.name)
    const call = new LimitedCall(given, timeout, channel, callee, given instanceof LimitedCall ? given : caller)
    const intercepted = this.interceptors.run
    const answer = intercepted
      ? call.limit(intercepted(call, callee, input), callee.timeoutError)
      : this.#run(call, callee, input)
    return answer instanceof Promise ? callee.pending.add(answer) : answer
  }

  #run<Input, Output>(call: LimitedCall, callee: Subscription<Input, Output>, input: Input): Answer<Output> {
    const outer = this.#running
    this.#running = call
    try {
      return call.run(callee, input)
    } finally {
      this.#running = outer
    }
  }
}

/** Awaits the answers of the listeners, one after another, and returns the collector's result. */
async function collect<Listener extends { readonly name: string }, Output, Result>(
  listeners: readonly Listener[],
  answerOf: (listener: Listener, index: number) => Answer<Output>,
  collector: Collector<Output, Result>,
): Promise<Result> {
  for (const [index, listener] of listeners.entries()) {
    try {
      const answer = answerOf(listener, index)
      collector.fulfilled(listener.name, isPromise(answer) ? await answer : answer)
    } catch (error) {
      collector.rejected(listener.name, error)
    }
  }
  return collector.result()
}

/** Starts immediately. Marks a rejection as handled, because the result is awaited later, in the order of delivery. */
function start<Output>(run: () => Answer<Output>): Promise<Output> {
  const answer = (async () => run())()
  answer.catch(() => {})
  return answer
}
