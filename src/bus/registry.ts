/**
 * The subscriptions of each channel. This is the only file that uses mitt: a mitt handler does not run the listener, it
 * appends its subscription to the list that is emitted. The bus then calls these subscriptions.
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

interface Registered<Input, Output> {
  readonly remove: () => void
  readonly update: (subscription: Subscription<Input, Output>) => void
}

export class Registry {
  // Keyed by symbols, because mitt gives the string `*` a special meaning. The element type of a list depends on its
  // channel, which mitt's types cannot express: `never` stands in for it here, and the methods below restore the type.
  readonly #emitter: Emitter<Record<symbol, never>> = mitt()
  /** The sorted lists, until a change discards them. Never modified, because a delivery in progress may use one. */
  readonly #sorted = new Map<symbol, unknown>()
  /** The subscribed functions of each channel, so that adding one does not search the others. */
  readonly #functions = new Map<symbol, unknown>()

  /** Adds a subscription, or updates the one with the same function, and returns the function that removes it. */
  add<Input, Output>(channel: Channel<Input, Output>, subscription: Subscription<Input, Output>): () => void {
    const functions = this.#functionsOf(channel)
    const { run } = subscription
    const existing = functions.get(run)
    if (existing) {
      existing.update(subscription)
      return existing.remove
    }
    let current = subscription
    const append = (subscriptions: Subscription<Input, Output>[]) => {
      subscriptions.push(current)
    }
    const remove = () => {
      this.#emitter.off(channel.key, append)
      this.#sorted.delete(channel.key)
      if (functions.get(run) === registered) functions.delete(run)
    }
    // Replaced rather than modified: a delivery in progress may use it.
    const update = (updated: Subscription<Input, Output>) => {
      current = updated
      this.#sorted.delete(channel.key)
    }
    const registered = { remove, update }
    functions.set(run, registered)
    this.#emitter.on(channel.key, append)
    this.#sorted.delete(channel.key)
    return remove
  }

  /** The current subscriptions of a channel, in the order of delivery. */
  subscriptions<Input, Output>(channel: Channel<Input, Output>): readonly Subscription<Input, Output>[] {
    const cached = this.#sorted.get(channel.key) as Subscription<Input, Output>[] | undefined // stored for this channel
    if (cached) return cached
    const subscriptions = this.#collect(channel)
    if (subscriptions.length > 0) this.#sorted.set(channel.key, subscriptions) // nothing to keep for an unused channel
    return subscriptions
  }

  #functionsOf<Input, Output>(channel: Channel<Input, Output>): Map<unknown, Registered<Input, Output>> {
    const known = this.#functions.get(channel.key) as Map<unknown, Registered<Input, Output>> | undefined // as stored below
    if (known) return known
    const functions = new Map<unknown, Registered<Input, Output>>()
    this.#functions.set(channel.key, functions)
    return functions
  }

  #collect<Input, Output>(channel: Channel<Input, Output>): Subscription<Input, Output>[] {
    const subscriptions: Subscription<Input, Output>[] = []
    this.#emitter.emit(channel.key, subscriptions as never)
    if (channel.kind === 'event' && channel.reversed) subscriptions.reverse()
    return subscriptions.sort((one, other) => one.priority - other.priority)
  }
}
