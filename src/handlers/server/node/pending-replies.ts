/** Counts the memory that unanswered requests and unread replies take, over all connections of a server. */
import type { Server } from 'node:http'

const pendingReplies = Symbol('pending replies')

interface CountingServer extends Server {
  [pendingReplies]?: PendingReplies
}

export class PendingReplies {
  /** The estimated memory in bytes. */
  bytes = 0
  readonly #limit: number
  readonly #bodies = new Map<Uint8Array, number>()

  /** @param limit the memory in bytes above which new requests are rejected */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Returns the instance that `attachTo` has attached to the server. */
  static of(server: CountingServer): PendingReplies | undefined {
    return server[pendingReplies]
  }

  attachTo(server: CountingServer): void {
    server[pendingReplies] = this
  }

  get isOverLimit(): boolean {
    return this.bytes >= this.#limit
  }

  /** Whether connections must not pipeline. The other half of the memory is for clients that do not. */
  get isOverHalf(): boolean {
    return this.bytes >= this.#limit / 2
  }

  /**
   * Counts a body, once regardless of the number of replies that share it.
   * @returns false if the limit is exceeded and no other reply has the body; it is not counted then
   */
  hold(body: Uint8Array): boolean {
    const holders = this.#bodies.get(body) ?? 0
    if (holders === 0) {
      if (this.isOverLimit) return false
      this.bytes += body.byteLength
    }
    this.#bodies.set(body, holders + 1)
    return true
  }

  /** Reverts one `hold`. */
  release(body: Uint8Array): void {
    const holders = this.#bodies.get(body) ?? 0
    if (holders > 1) this.#bodies.set(body, holders - 1)
    else if (this.#bodies.delete(body)) this.bytes -= body.byteLength
  }
}
