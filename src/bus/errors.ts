/**
 * What can go wrong on a bus. Every class has a `code` that stays, for those who tell errors apart without importing
 * the classes, and a message that names the channel and the parties.
 */

class BusError extends Error {
  override get name(): string {
    return this.constructor.name
  }
}

/** What one listener failed with. */
export interface Failure {
  /** The listener's name. */
  readonly listener: string
  readonly error: unknown
}

/** One or more listeners of an event failed; all of them have run. */
export class ChannelFailures extends AggregateError {
  override readonly name = 'ChannelFailures'
  readonly code = 'BUS_CHANNEL_FAILURES'
  readonly channel: string
  /** In the order of delivery. `errors` has the errors alone. */
  readonly failures: readonly Failure[]
  /** What the other listeners answered, in the order of delivery. */
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

/** A listener took longer than its own timeout or the publisher's deadline allows. */
export class ListenerTimeout extends BusError {
  readonly code = 'BUS_LISTENER_TIMEOUT'

  constructor(channel: string, listener: string, ms: number) {
    super(`${listener} did not finish ${channel} within ${ms} ms`)
  }
}

/** The answer to a request took longer than the call, the channel or the deadline allows. */
export class RequestTimeout extends BusError {
  readonly code = 'BUS_REQUEST_TIMEOUT'

  constructor(channel: string, provider: string, ms: number) {
    super(`${provider} did not answer ${channel} within ${ms} ms`)
  }
}

/** Nobody answers what was asked. */
export class NoProvider extends BusError {
  readonly code = 'BUS_NO_PROVIDER'

  constructor(channel: string, asker: string) {
    super(unanswered(channel, asker))
  }
}

/** A channel that is answered already was provided a second time. */
export class DuplicateProvider extends BusError {
  readonly code = 'BUS_DUPLICATE_PROVIDER'

  constructor(channel: string, first: string, second: string) {
    super(`${second} cannot provide ${channel}: ${first} does already`)
  }
}

/** A second channel object was used under a name that the bus knows. */
export class DuplicateChannel extends BusError {
  readonly code = 'BUS_DUPLICATE_CHANNEL'

  constructor(channel: string) {
    super(`there is another channel named ${channel}; is the package loaded twice?`)
  }
}

/** A declared need without a provider. */
export interface Need {
  readonly channel: string
  /** The names of those who declared it. */
  readonly usedBy: readonly string[]
}

/** The start was refused: somebody needs what nobody provides. */
export class UnmetNeeds extends BusError {
  readonly code = 'BUS_UNMET_NEEDS'
  readonly needs: readonly Need[]

  constructor(needs: readonly Need[]) {
    super(needs.map(({ channel, usedBy }) => unanswered(channel, usedBy.join(' and '))).join('; '))
    this.needs = needs
  }
}

/** The process was told to exit, so what was asked for will not happen any more. */
export class Exiting extends BusError {
  readonly code = 'BUS_EXITING'

  constructor() {
    super('the process was told to exit')
  }
}

/** The time for an orderly exit is over. */
export class ShutdownTimeout extends BusError {
  readonly code = 'BUS_SHUTDOWN_TIMEOUT'

  constructor(ms: number) {
    super(`out of time after ${ms} ms of shutdown`)
  }
}

/** What to say of an error. The message of a parse error is left out: it quotes the text, which may be secret. */
export function messageOf(error: unknown): string {
  if (error instanceof SyntaxError) return 'unreadable text'
  if (!(error instanceof Error)) return typeof error === 'object' && error ? '[object]' : String(error)
  // Node gives a connection refused on several addresses a code, and no message.
  return error.message || ('code' in error ? String(error.code) : error.name)
}

/** The `code` of whatever was thrown. It tells errors apart also where their class is loaded twice, or not at all. */
export function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

function unanswered(channel: string, asker: string): string {
  return `nobody provides ${channel}, which ${asker} asks for`
}
