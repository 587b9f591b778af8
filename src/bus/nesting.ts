/** Rejects cyclic calls. */
import { CallCycle } from './errors.ts'

/** The number of nested calls up to which a channel may occur several times. */
export const nestingLimit = 64

/** The position of a call among nested calls. Created on demand, because most calls are not nested. */
export class Nesting {
  readonly #channel: string
  readonly #parent: Nesting | undefined
  readonly #root: Nesting
  readonly #depth: number
  /** Set on the outermost call only. */
  #cycle: CallCycle | undefined

  constructor(channel: string, parent?: Nesting) {
    this.#channel = channel
    this.#parent = parent
    this.#root = parent === undefined ? this : parent.#root
    this.#depth = parent === undefined ? 1 : parent.#depth + 1
  }

  /**
   * Returns the position of a call that the listener or provider of this one makes. After a cycle has been found, calls
   * of its channels within the same outermost call fail immediately. Otherwise, two calls per level would add up to
   * 2^64.
   * @throws CallCycle if the limit is exceeded and the channel already occurs among the calls
   */
  nest(channel: string): Nesting {
    const root = this.#root
    if (this.#depth >= nestingLimit && !root.#cycle) root.#cycle = this.#cycleTo(channel)
    if (root.#cycle?.channels.includes(channel)) throw root.#cycle
    return new Nesting(channel, this)
  }

  /** The cycle that a call on the channel would close. */
  #cycleTo(channel: string): CallCycle | undefined {
    const channels = [channel]
    for (let call: Nesting | undefined = this; call !== undefined; call = call.#parent) {
      channels.unshift(call.#channel)
      if (call.#channel === channel) return new CallCycle(channels, nestingLimit)
    }
    return undefined
  }
}
