/**
 * Who is enrolled on which channel. This is the one file that touches mitt: emitting a channel runs nobody, it passes a
 * roll to which every handler adds its subscription. What becomes of the roll is the bus's affair.
 */
import mitt, { type Emitter } from 'mitt'
import type { Callee } from './call.ts'
import type { Channel } from './channel.ts'

/** A listener or provider, and how it is to be called. */
export interface Subscription<Input, Output> extends Callee<Input, Output> {
  readonly name: string
  /** Lower hears earlier. */
  readonly priority: number
  /** How long it may take, in milliseconds; `Infinity` is no limit. */
  readonly timeout: number
}

interface Enrolled<Input, Output> extends Subscription<Input, Output> {
  readonly leave: () => void
  readonly renew: (subscription: Subscription<Input, Output>) => void
}

export class Roster {
  // Keyed by symbols: among strings, `*` would hear everything. What a roll holds depends on its channel, which mitt's
  // types cannot say, so `never` stands in for it here and the methods below take the types up again.
  readonly #emitter: Emitter<Record<symbol, never>> = mitt()
  /** The rolls as they were taken last. Whoever comes or goes has the next one taken anew; one that is being called stays. */
  readonly #rolls = new Map<symbol, unknown>()

  /** Adds a subscription, or renews the one of the same function, and answers with its undo. */
  enrol<Input, Output>(channel: Channel<Input, Output>, subscription: Subscription<Input, Output>): () => void {
    const known = this.roll(channel).find(({ run }) => run === subscription.run)
    if (known) {
      known.renew(subscription)
      return known.leave
    }
    const addTo = (roll: Enrolled<Input, Output>[]) => {
      roll.push(enrolled)
    }
    const leave = () => {
      this.#emitter.off(channel.key, addTo)
      this.#rolls.delete(channel.key)
    }
    // Replaced, not changed: it may be on a roll that is being called.
    const renew = (renewed: Subscription<Input, Output>) => {
      enrolled = { ...renewed, leave, renew }
      this.#rolls.delete(channel.key)
    }
    let enrolled: Enrolled<Input, Output> = { ...subscription, leave, renew }
    this.#emitter.on(channel.key, addTo)
    this.#rolls.delete(channel.key)
    return leave
  }

  /** Those who are enrolled now, in the order of delivery. */
  roll<Input, Output>(channel: Channel<Input, Output>): readonly Enrolled<Input, Output>[] {
    const known = this.#rolls.get(channel.key) as Enrolled<Input, Output>[] | undefined // of this very channel
    if (known) return known
    const roll = this.#take(channel)
    if (roll.length > 0) this.#rolls.set(channel.key, roll) // of what nobody hears nothing is to stay
    return roll
  }

  #take<Input, Output>(channel: Channel<Input, Output>): Enrolled<Input, Output>[] {
    const roll: Enrolled<Input, Output>[] = []
    this.#emitter.emit(channel.key, roll as never)
    if (channel.kind === 'event' && channel.reversed) roll.reverse()
    return roll.sort((one, other) => one.priority - other.priority)
  }
}
