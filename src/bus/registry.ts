/**
 * The subscriptions of each channel. This is the only file that uses mitt: a mitt handler does not run the listener, it
 * appends its subscription to the list that is emitted. What happens with that list is up to the bus.
 */
import mitt, { type Emitter } from 'mitt'
import type { Callee } from './call.ts'
import type { Channel } from './channel.ts'
import type { PendingCalls } from './pending-calls.ts'

/** A listener or provider, and how to call it. */
export interface Subscription<Input, Output> extends Callee<Input, Output> {
  readonly name: string
  /** Lower priorities are called first. */
  readonly priority: number
  /** How long the call may take, in milliseconds; `Infinity` means no limit. */
  readonly timeout: number
  readonly pending: PendingCalls
}

interface Registered<Input, Output> extends Subscription<Input, Output> {
  readonly remove: () => void
  readonly update: (subscription: Subscription<Input, Output>) => void
}

export class Registry {
  // Keyed by symbols, because mitt gives the string `*` a special meaning. The element type of a list depends on its
  // channel, which mitt's types cannot express: `never` stands in for it here, and the methods below restore the type.
  readonly #emitter: Emitter<Record<symbol, never>> = mitt()
  /** The sorted lists, until a change discards them. Never modified, because a delivery in progress may use one. */
  readonly #sorted = new Map<symbol, unknown>()

  /** Adds a subscription, or updates the one with the same function, and returns the function that removes it. */
  add<Input, Output>(channel: Channel<Input, Output>, subscription: Subscription<Input, Output>): () => void {
    const existing = this.subscriptions(channel).find(({ run }) => run === subscription.run)
    if (existing) {
      existing.update(subscription)
      return existing.remove
    }
    const append = (subscriptions: Registered<Input, Output>[]) => {
      subscriptions.push(registered)
    }
    const remove = () => {
      this.#emitter.off(channel.key, append)
      this.#sorted.delete(channel.key)
    }
    // Replaced rather than modified: a delivery in progress may use it.
    const update = (updated: Subscription<Input, Output>) => {
      registered = { ...updated, remove, update }
      this.#sorted.delete(channel.key)
    }
    let registered: Registered<Input, Output> = { ...subscription, remove, update }
    this.#emitter.on(channel.key, append)
    this.#sorted.delete(channel.key)
    return remove
  }

  /** The current subscriptions of a channel, in the order of delivery. */
  subscriptions<Input, Output>(channel: Channel<Input, Output>): readonly Registered<Input, Output>[] {
    const cached = this.#sorted.get(channel.key) as Registered<Input, Output>[] | undefined // stored for this channel
    if (cached) return cached
    const subscriptions = this.#collect(channel)
    if (subscriptions.length > 0) this.#sorted.set(channel.key, subscriptions) // nothing to keep for an unused channel
    return subscriptions
  }

  #collect<Input, Output>(channel: Channel<Input, Output>): Registered<Input, Output>[] {
    const subscriptions: Registered<Input, Output>[] = []
    this.#emitter.emit(channel.key, subscriptions as never)
    if (channel.kind === 'event' && channel.reversed) subscriptions.reverse()
    return subscriptions.sort((one, other) => one.priority - other.priority)
  }
}
