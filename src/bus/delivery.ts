/** How listeners and providers are called: within their limits, watched by the taps, and every failure logged once. */
import { type Call, isPromise, LimitedCall } from './call.ts'
import type { Channel, EventChannel } from './channel.ts'
import { ChannelFailures, type Failure, messageOf } from './errors.ts'
import type { LogLevel } from './lifecycle.ts'
import type { Subscription } from './roster.ts'
import { Taps } from './taps.ts'

/** Given at once, or later. */
export type Answer<Output> = Output | Promise<Output>

type Log = (level: LogLevel, message: string, fields: object) => void

export class Delivery {
  readonly taps: Taps
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
    this.taps = new Taps((error) => log('error', `A tap on the bus failed: ${messageOf(error)}`, { err: error }))
  }

  /** Calls all of the roll. See `Bus.publish`. */
  async publish<Payload, Output>(
    channel: EventChannel<Payload, Output>,
    roll: readonly Subscription<Payload, Output>[],
    payload: Payload,
    call: Call | undefined,
  ): Promise<Output[]> {
    const hear = (listener: Subscription<Payload, Output>) => this.callListener(channel, listener, payload, call)
    const answers = channel.concurrent ? roll.map((listener) => begun(() => hear(listener))) : undefined
    const outputs: Output[] = []
    const failures: Failure[] = []
    for (const [turn, listener] of roll.entries()) {
      try {
        const output = answers?.[turn] ?? hear(listener)
        outputs.push(isPromise(output) ? await output : output)
      } catch (error) {
        failures.push({ listener: listener.name, error })
      }
    }
    if (failures.length > 0) throw new ChannelFailures(channel.name, failures, outputs)
    return outputs
  }

  /** Calls one listener. What it fails with is logged here, where it happens, unless a publish within it has done so. */
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
    if (error instanceof ChannelFailures) throw error
    const fields = { channel: channel.name, listener: listener.name, reqId: call?.id, err: error }
    this.#log('error', `${listener.name} failed on ${channel.name}: ${messageOf(error)}`, fields)
    throw error
  }

  /** Calls a listener or provider. It answers as the callee does, at once or with a promise. */
  call<Input, Output>(
    channel: Channel<Input, Output>,
    callee: Subscription<Input, Output>,
    input: Input,
    given: Call | undefined,
    timeout: number,
  ): Answer<Output> {
    const limited = new LimitedCall(given, timeout)
    if (this.taps.size === 0) return limited.hold(callee, input)
    return this.taps.observe(channel.name, limited, callee, input)
  }
}

/** Begins at once. The answer is taken up in its turn, and a failure waits for that. */
function begun<Output>(hear: () => Answer<Output>): Promise<Output> {
  const answer = (async () => hear())()
  answer.catch(() => {})
  return answer
}
