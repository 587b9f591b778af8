/**
 * Channels: what can be said on a bus, as objects with a type. They are defined once and imported by both sides, so
 * that an editor's "find references" lists who uses them. Nothing is delivered here; that is the bus.
 */
import { checkDuration } from './call.ts'

/** Never there at run time: it makes the compiler tell channels apart by what they carry. */
declare const carries: unique symbol

interface Carrier<Input, Output> {
  /** For people: in logs, errors and the topology. Any string. */
  readonly name: string
  /** For the bus: two channel objects of one name have two keys. */
  readonly key: symbol
  readonly [carries]?: (input: Input) => Output
}

/** Something that happened, told to everyone who listens. */
export interface EventChannel<Payload, Output> extends Carrier<Payload, Output> {
  readonly kind: 'event'
  /** All listeners start at once, instead of one after another. */
  readonly concurrent: boolean
  /** Within a priority, the last to subscribe is the first to hear. */
  readonly reversed: boolean
}

/** A question with exactly one provider of the answer. */
export interface RequestChannel<Query, Reply> extends Carrier<Query, Reply> {
  readonly kind: 'request'
  /** How long an answer may take when the call does not say, in milliseconds; `Infinity` is no limit. */
  readonly timeout: number
}

export type Channel<Input, Output> = EventChannel<Input, Output> | RequestChannel<Input, Output>

/**
 * Defines an event channel: `event<Payload, Output>('name')`. `Output` is what its listeners may answer.
 * @param options.concurrent start all listeners at once; their outputs keep the order of delivery
 * @param options.reversed deliver in reverse order of subscription, as things are taken down
 */
export function event<Payload = void, Output = unknown>(
  name: string,
  options: { concurrent?: boolean; reversed?: boolean } = {},
): EventChannel<Payload, Output> {
  const { concurrent = false, reversed = false } = options
  return { kind: 'event', name, key: Symbol(name), concurrent, reversed }
}

/**
 * Defines a request channel: `request<Query, Reply>('name')`.
 * @param options.timeout how long an answer may take, in milliseconds; no limit when left out
 * @throws RangeError if the timeout is negative or not a number
 */
export function request<Query = void, Reply = unknown>(
  name: string,
  options: { timeout?: number } = {},
): RequestChannel<Query, Reply> {
  const { timeout = Number.POSITIVE_INFINITY } = options
  checkDuration(timeout)
  return { kind: 'request', name, key: Symbol(name), timeout }
}
