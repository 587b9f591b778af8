/**
 * Channels: typed objects that name an event or a request. A channel is defined once and imported by both sides, so
 * that an editor's "find references" lists its users. The bus delivers the payloads and queries.
 */
import { checkDuration } from './call.ts'

/** Exists only in the type system, where it makes channels with different payloads incompatible. */
declare const carries: unique symbol

interface ChannelBase<Input, Output> {
  /** Any string; used in logs, errors and the topology. */
  readonly name: string
  /** Identifies the channel on the bus: two channel objects with the same name have different keys. */
  readonly key: symbol
  readonly [carries]?: (input: Input) => Output
}

/** An event, delivered to every listener. */
export interface EventChannel<Payload, Output> extends ChannelBase<Payload, Output> {
  readonly kind: 'event'
  /** Starts all listeners at once, instead of one after another. */
  readonly concurrent: boolean
  /** Within a priority, delivers to the latest subscription first. */
  readonly reversed: boolean
  /** Time after which a listener that is still running is named in the log, in milliseconds; `Infinity` means never. */
  readonly warnAfter: number
}

/** A request, answered by exactly one provider. */
export interface RequestChannel<Query, Reply> extends ChannelBase<Query, Reply> {
  readonly kind: 'request'
  /** Default timeout of a request in milliseconds; `Infinity` means no limit. */
  readonly timeout: number
}

export type Channel<Input, Output> = EventChannel<Input, Output> | RequestChannel<Input, Output>

/**
 * Defines an event channel: `event<Payload, Output>('name')`. `Output` is what its listeners may return.
 * @param options.concurrent start all listeners at once; their outputs keep the order of delivery
 * @param options.reversed deliver in reverse order of subscription, as needed for shutdown
 * @param options.warnAfter log a warning about a listener that is still running after this time in milliseconds, and
 *   again each time its duration has doubled; never if omitted
 * @throws RangeError if `warnAfter` is negative or not a number
 */
export function event<Payload = void, Output = unknown>(
  name: string,
  options: { concurrent?: boolean; reversed?: boolean; warnAfter?: number } = {},
): EventChannel<Payload, Output> {
  const { concurrent = false, reversed = false, warnAfter = Infinity } = options
  checkDuration(warnAfter)
  return withOrigin({ kind: 'event', name, key: Symbol(name), concurrent, reversed, warnAfter })
}

/**
 * Defines a request channel: `request<Query, Reply>('name')`.
 * @param options.timeout default timeout of a request in milliseconds; none if omitted
 * @throws RangeError if the timeout is negative or not a number
 */
export function request<Query = void, Reply = unknown>(
  name: string,
  options: { timeout?: number } = {},
): RequestChannel<Query, Reply> {
  const { timeout = Number.POSITIVE_INFINITY } = options
  checkDuration(timeout)
  return withOrigin({ kind: 'request', name, key: Symbol(name), timeout })
}

/** Global, so that it also finds where a channel of another copy of this package was defined. */
const origin = Symbol.for('secret-bus.channel.origin')

/** Records where the channel is defined. The stack is only formatted if it is needed. */
function withOrigin<Defined extends Channel<never, never>>(channel: Defined): Defined {
  return Object.defineProperty(channel, origin, { value: new Error('origin') })
}

/** The file and line that define a channel, if known. */
export function originOf(channel: object): string | undefined {
  const error: unknown = Object.getOwnPropertyDescriptor(channel, origin)?.value
  const frames = error instanceof Error ? (error.stack ?? '').split('\n').slice(1) : []
  // The first frames are those of this file.
  const [first = ''] = frames
  const own = locationIn(first)?.file
  return frames.map(locationIn).find((location) => location !== undefined && location.file !== own)?.text
}

function locationIn(frame: string): { readonly file: string; readonly text: string } | undefined {
  const [, file, line] = /(?:file:\/\/|\(|at )(\/[^()]*?):(\d+):\d+\)?$/.exec(frame) ?? []
  return file === undefined ? undefined : { file, text: `${file}:${line}` }
}
