/** Stand-ins for whoever is at the other end of a channel. */
import type { CallContext } from '../bus/call.ts'
import type { EventChannel, RequestChannel } from '../bus/channel.ts'
import type { Subscriber } from '../bus/process/process-bus.ts'

/** What is answered: always the same, or what a function makes of each input. The function fails by throwing. */
export type Answer<Input, Output> = Output | ((input: Input, call: CallContext) => Output | PromiseLike<Output>)

/** A subscriber that answers requests. */
export type FakeProvider<Query> = Subscriber & {
  /** What it was asked so far. */
  readonly queries: readonly Query[]
}

/** A subscriber that hears events. */
export type FakeListener<Payload> = Subscriber & {
  /** What it was told so far. */
  readonly payloads: readonly Payload[]
}

/** Provides the channel with this answer: `fakeProvider(channels.fetchSecret, ({ codeName }) => ...)`. */
export function fakeProvider<Query, Reply>(
  channel: RequestChannel<Query, Reply>,
  answer: NoInfer<Answer<Query, Reply>>,
): FakeProvider<Query> {
  const queries: Query[] = []
  const provider = recording(queries, answer)
  return Object.assign<Subscriber, { queries: Query[] }>((bus) => bus.provide(channel, provider), { queries })
}

/** Subscribes to the channel, and answers with nothing if no answer is given. */
export function fakeListener<Payload, Output>(
  channel: EventChannel<Payload, Output>,
  answer?: NoInfer<Answer<Payload, Output>>,
): FakeListener<Payload> {
  const payloads: Payload[] = []
  const listener = recording(payloads, answer)
  const told: EventChannel<Payload, Output | undefined> = channel // that is what a listener without an answer needs
  return Object.assign<Subscriber, { payloads: Payload[] }>((bus) => bus.subscribe(told, listener), { payloads })
}

/** Keeps each input before it is answered. */
function recording<Input, Output>(inputs: Input[], answer: Answer<Input, Output>) {
  return (input: Input, call: CallContext) => {
    inputs.push(input)
    return isFunction(answer) ? answer(input, call) : answer
  }
}

function isFunction<Input, Output>(
  answer: Answer<Input, Output>,
): answer is (input: Input, call: CallContext) => Output | PromiseLike<Output> {
  return typeof answer === 'function'
}
