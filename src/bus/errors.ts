/**
 * The errors of the bus. Every class has a stable `code`, which identifies an error without importing the class, and a
 * message that names the channel and the subscribers.
 */
import { messageOf } from './thrown.ts'

export { codeOf, messageOf } from './thrown.ts'

class BusError extends Error {
  override get name(): string {
    return this.constructor.name
  }
}

/** The failure of one listener. */
export interface Failure {
  /** The listener's name. */
  readonly listener: string
  readonly error: unknown
}

/** One or more listeners of an event failed; all listeners have run. */
export class ChannelFailures extends AggregateError {
  override readonly name = 'ChannelFailures'
  readonly code = 'BUS_CHANNEL_FAILURES'
  readonly channel: string
  /** In the order of delivery. `errors` contains only the errors. */
  readonly failures: readonly Failure[]
  /** The outputs of the other listeners, in the order of delivery. */
  readonly outputs: readonly unknown[]

  constructor(channel: string, failures: readonly Failure[], outputs: readonly unknown[]) {
    const reasons = failures.map(({ listener, error }) => `${listener}: ${messageOf(error)}`)
    super(
      failures.map(({ error }) => error),
      `${channel} failed: ${reasons.join('; ')}`,
    )
    this.channel = channel
    this.failures = failures
    this.outputs = outputs
  }
}

/** A listener exceeded its own timeout or the publisher's deadline. */
export class ListenerTimeout extends BusError {
  readonly code = 'BUS_LISTENER_TIMEOUT'

  constructor(channel: string, listener: string, ms: number) {
    super(`${listener} did not finish ${channel} within ${ms} ms`)
  }
}

/** A provider exceeded the timeout of the call or the channel, or the caller's deadline. */
export class RequestTimeout extends BusError {
  readonly code = 'BUS_REQUEST_TIMEOUT'

  constructor(channel: string, provider: string, ms: number) {
    super(`${provider} did not answer ${channel} within ${ms} ms`)
  }
}

/** A request was made on a channel without a provider. */
export class NoProvider extends BusError {
  readonly code = 'BUS_NO_PROVIDER'

  constructor(channel: string, requester: string) {
    super(noProvider(channel, requester))
  }
}

/** Listeners or providers call each other in a cycle. */
export class CallCycle extends BusError {
  readonly code = 'BUS_CALL_CYCLE'
  /** The channels of the cycle, in the order of the calls. The first and the last are the same. */
  readonly channels: readonly string[]

  constructor(channels: readonly string[], limit: number) {
    super(`Calls must not be cyclic: ${channels.join(' -> ')} (more than ${limit} nested calls)`)
    this.channels = channels
  }
}

/** A listener or provider has too many unfinished calls. */
export class ChannelOverloaded extends BusError {
  readonly code = 'BUS_CHANNEL_OVERLOADED'

  constructor(channel: string, by: string) {
    super(`${by} has too many pending calls on ${channel} (about 10,000); is it called in a cycle?`)
  }
}

/** A second provider was registered on a request channel. */
export class DuplicateProvider extends BusError {
  readonly code = 'BUS_DUPLICATE_PROVIDER'

  constructor(channel: string, first: string, second: string) {
    super(`${second} cannot provide ${channel}: ${first} already does`)
  }
}

/** A second channel object was used under the name of a known channel. */
export class DuplicateChannel extends BusError {
  readonly code = 'BUS_DUPLICATE_CHANNEL'

  /** @param origins the files that define the two channels, as far as they are known */
  constructor(channel: string, origins: readonly string[] = []) {
    const where = origins.length === 0 ? '' : `, see ${origins.join(' and ')}`
    super(`Another channel named ${channel} already exists${where}; is the package loaded twice?`)
  }
}

/** A declared request without a provider. */
export interface MissingProvider {
  readonly channel: string
  /** The names of the subscribers that declared the request. */
  readonly usedBy: readonly string[]
}

/** The bus refused to start because declared requests have no provider. */
export class MissingProviders extends BusError {
  readonly code = 'BUS_MISSING_PROVIDERS'
  readonly needs: readonly MissingProvider[]

  constructor(needs: readonly MissingProvider[]) {
    super(needs.map(({ channel, usedBy }) => noProvider(channel, usedBy.join(' and '))).join('; '))
    this.needs = needs
  }
}

/** The process is exiting, so the operation will not take place. */
export class Exiting extends BusError {
  readonly code = 'BUS_EXITING'

  constructor() {
    super('The process is exiting')
  }
}

/** The shutdown took longer than its time limit. */
export class ShutdownTimeout extends BusError {
  readonly code = 'BUS_SHUTDOWN_TIMEOUT'

  constructor(ms: number) {
    super(`Shutdown timed out after ${ms} ms`)
  }
}

function noProvider(channel: string, requester: string): string {
  return `No provider for channel ${channel} (required by ${requester})`
}
