/**
 * The topology: which subscribers use each channel and which handle it. The registry contains only the handlers; this
 * module adds the declared users.
 */
import { type Channel, originOf } from '../channel.ts'
import { DuplicateChannel, type MissingProvider } from '../errors.ts'
import type { Registry } from '../registry.ts'

/** A listener or provider. */
export interface Handler {
  readonly name: string
  /** Lower priorities are called first; the default is 50. Irrelevant for a provider. */
  readonly priority: number
}

/** A channel that is subscribed to, provided, or declared as used. */
export interface ChannelInfo {
  readonly channel: string
  readonly kind: 'event' | 'request'
  /** The listeners or the provider, in the order of delivery. */
  readonly handlers: readonly Handler[]
  /** The subscribers that declared, with `publisher` or `requester`, that they use the channel. */
  readonly usedBy: readonly string[]
}

export type Topology = readonly ChannelInfo[]

type AnyChannel = Channel<never, unknown>

const uses = {
  event: 'an event channel: use publish and subscribe',
  request: 'a request channel: use request and provide',
}

export class TopologyRecorder {
  readonly #registry: Registry
  readonly #channels = new Map<string, { channel: AnyChannel; usedBy: Set<string> }>()

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** @throws DuplicateChannel if another channel object with this name is known */
  check(channel: AnyChannel): void {
    const known = this.#channels.get(channel.name)
    if (known && known.channel !== channel)
      throw new DuplicateChannel(
        channel.name,
        [known.channel, channel].flatMap((one) => originOf(one) ?? []),
      )
  }

  /**
   * Records the channel and, if given, the subscriber that publishes or requests on it.
   * @param kind the expected kind; checked at run time for callers written in JavaScript
   * @throws DuplicateChannel if another channel object with this name is known; TypeError if the channel is not of this
   *   kind
   */
  record(channel: AnyChannel | undefined, kind: AnyChannel['kind'], user?: string): void {
    if (typeof channel?.key !== 'symbol')
      throw new TypeError(`channel must be a channel object, received ${channel}; is its name misspelled?`)
    if (channel.kind !== kind) throw new TypeError(`${channel.name} is ${uses[channel.kind]}`)
    this.check(channel)
    const usedBy = this.#channels.get(channel.name)?.usedBy ?? new Set()
    this.#channels.set(channel.name, { channel, usedBy: user === undefined ? usedBy : usedBy.add(user) })
  }

  /** The declared requests that have no provider. */
  missingProviders(): readonly MissingProvider[] {
    return this.topology().filter(
      ({ kind, handlers, usedBy }) => kind === 'request' && usedBy.length > 0 && handlers.length === 0,
    )
  }

  topology(): Topology {
    return [...this.#channels.values()].map(({ channel, usedBy }) => ({
      channel: channel.name,
      kind: channel.kind,
      handlers: this.#registry.subscriptions(channel).map(({ name, priority }) => ({ name, priority })),
      usedBy: [...usedBy],
    }))
  }
}
