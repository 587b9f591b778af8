/** Who is wired to whom. Kept apart from the roster, which only knows who hears; here are also those who speak. */
import type { Channel } from './channel.ts'
import { DuplicateChannel, type Need } from './errors.ts'
import type { Roster } from './roster.ts'

/** A listener or provider. */
export interface Hearer {
  readonly name: string
  /** Lower hears earlier; 50 when not given. A provider's tells nothing. */
  readonly priority: number
}

/** A channel that somebody subscribed to, provides, or declared to use. */
export interface Wired {
  readonly channel: string
  readonly kind: 'event' | 'request'
  /** The listeners or the provider, in the order of delivery. */
  readonly heardBy: readonly Hearer[]
  /** Those who declared, with `publisher` or `requester`, that they use it. */
  readonly usedBy: readonly string[]
}

export type Topology = readonly Wired[]

type AnyChannel = Channel<never, unknown>

const uses = {
  event: 'publishing and subscribing, not for requests',
  request: 'requesting and providing, not for events',
}

export class Wiring {
  readonly #roster: Roster
  readonly #channels = new Map<string, { channel: AnyChannel; usedBy: Set<string> }>()

  constructor(roster: Roster) {
    this.#roster = roster
  }

  /** @throws DuplicateChannel if another channel object of this name is known */
  check(channel: AnyChannel): void {
    const known = this.#channels.get(channel.name)
    if (known && known.channel !== channel) throw new DuplicateChannel(channel.name)
  }

  /**
   * Makes the channel known, and its user if somebody publishes or requests here.
   * @param kind as which it is used, which in JavaScript no compiler has checked
   * @throws DuplicateChannel if another channel object of this name is known; TypeError if it is no channel of this kind
   */
  know(channel: AnyChannel | undefined, kind: AnyChannel['kind'], user?: string): void {
    if (typeof channel?.key !== 'symbol') throw new TypeError(`${channel} is no channel; is its name misspelt?`)
    if (channel.kind !== kind) throw new TypeError(`${channel.name} is for ${uses[channel.kind]}`)
    this.check(channel)
    const usedBy = this.#channels.get(channel.name)?.usedBy ?? new Set()
    this.#channels.set(channel.name, { channel, usedBy: user === undefined ? usedBy : usedBy.add(user) })
  }

  /** Requests that somebody declared and nobody provides. */
  unmet(): readonly Need[] {
    return this.topology().filter(
      ({ kind, heardBy, usedBy }) => kind === 'request' && usedBy.length > 0 && heardBy.length === 0,
    )
  }

  topology(): Topology {
    return [...this.#channels.values()].map(({ channel, usedBy }) => ({
      channel: channel.name,
      kind: channel.kind,
      heardBy: this.#roster.roll(channel).map(({ name, priority }) => ({ name, priority })),
      usedBy: [...usedBy],
    }))
  }
}
