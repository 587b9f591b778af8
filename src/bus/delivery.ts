/** Calls listeners and providers: within their time limits, observed by the taps, with each failure logged once. */
import { type Call, isPromise, LimitedCall } from './call.ts'
import type { Channel, EventChannel } from './channel.ts'
import { codeOf, messageOf } from './errors.ts'
import type { Collector } from './outcomes.ts'
import type { LogLevel } from './process/lifecycle.ts'
import type { Subscription } from './registry.ts'
import { Taps } from './taps.ts'

/** Returned synchronously or as a promise. */
export type Answer<Output> = Output | Promise<Output>

type Log = (level: LogLevel, message: string, fields: object) => void

export class Delivery {
  readonly taps: Taps
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
    this.taps = new Taps((error) => log('error', `Bus tap failed: ${messageOf(error)}`, { err: error }))
  }

  /** Calls all listeners, and returns what the collector makes of their outcomes. */
  async publish<Payload, Output, Result>(
    channel: EventChannel<Payload, Output>,
    listeners: readonly Subscription<Payload, Output>[],
    payload: Payload,
    call: Call | undefined,
    collector: Collector<Output, Result>,
  ): Promise<Result> {
    const run = (listener: Subscription<Payload, Output>) => this.callListener(channel, listener, payload, call)
    const started = channel.concurrent ? listeners.map((listener) => start(() => run(listener))) : undefined
    for (const [index, listener] of listeners.entries()) {
      try {
        const output = started?.[index] ?? run(listener)
        collector.fulfilled(listener.name, isPromise(output) ? await output : output)
      } catch (error) {
        collector.rejected(listener.name, error)
      }
    }
    return collector.result()
  }

  /** Calls one listener. Logs its failure, unless the failure is that of a nested publish, which is already logged. */
  callListener<Payload, Output>(
    channel: EventChannel<Payload, Output>,
    listener: Subscription<Payload, Output>,
    payload: Payload,
    call: Call | undefined,
  ): Answer<Output> {
    try {
      const answer = this.call(channel, listener, payload, call, listener.timeout)
      return isPromise(answer) ? answer.then(undefined, (error) => this.#fail(channel, listener, call, error)) : answer
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

  /** Calls a listener or provider. Returns what the callee returns, synchronously or as a promise. */
  call<Input, Output>(
    channel: Channel<Input, Output>,
    callee: Subscription<Input, Output>,
    input: Input,
    given: Call | undefined,
    timeout: number,
  ): Answer<Output> {
    const limited = new LimitedCall(given, timeout)
    if (this.taps.size === 0) return limited.run(callee, input)
    return this.taps.observe(channel.name, limited, callee, input)
  }
}

/** Starts now. The result is awaited in the order of delivery, and until then a rejection counts as handled. */
function start<Output>(run: () => Answer<Output>): Promise<Output> {
  const answer = (async () => run())()
  answer.catch(() => {})
  return answer
}
