/** Fake providers and listeners, which record what they receive. */
import type { CallContext } from '../bus/call.ts'
import type { EventChannel, RequestChannel } from '../bus/channel.ts'
import type { Subscriber } from '../bus/process/process-bus.ts'

/** A fixed result, or a function that returns the result for each input or throws. */
export type Answer<Input, Output> = Output | ((input: Input, call: CallContext) => Output | PromiseLike<Output>)

/** A subscriber that provides a channel. */
export type FakeProvider<Query> = Subscriber & {
  /** The queries received so far. */
  readonly queries: readonly Query[]
}

/** A subscriber that listens to a channel. */
export type FakeListener<Payload> = Subscriber & {
  /** The payloads received so far. */
  readonly payloads: readonly Payload[]
}

/** Creates a provider of the channel: `fakeProvider(channels.fetchSecret, ({ codeName }) => ...)`. */
export function fakeProvider<Query, Reply>(
  channel: RequestChannel<Query, Reply>,
  answer: NoInfer<Answer<Query, Reply>>,
): FakeProvider<Query> {
  const queries: Query[] = []
  const provider = recording(queries, answer)
  return Object.assign<Subscriber, { queries: Query[] }>((bus) => bus.provide(channel, provider), { queries })
}

/** Creates a listener on the channel. Without an answer it returns `undefined`. */
export function fakeListener<Payload, Output>(
  channel: EventChannel<Payload, Output>,
  answer?: NoInfer<Answer<Payload, Output>>,
): FakeListener<Payload> {
  const payloads: Payload[] = []
  const listener = recording(payloads, answer)
  // Widened, because a listener without an answer returns `undefined`.
  const widened: EventChannel<Payload, Output | undefined> = channel
  return Object.assign<Subscriber, { payloads: Payload[] }>((bus) => bus.subscribe(widened, listener), { payloads })
}

/** Records each input, then returns the answer. */
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
