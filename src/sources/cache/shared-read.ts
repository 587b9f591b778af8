/** Reads that concurrent requests share, unless the read was sent too long ago for a request. */
import type { Limiter } from '../../bus/process/limiter.ts'
import type { Clock } from '../clock.ts'

interface Flight<Result> {
  /** When the read was sent, on the monotonic clock; `Infinity` until its turn. */
  sentAt: number
  readonly result: Promise<Result>
}

export class SharedRead<Result> {
  readonly #limit: Limiter
  readonly #clock: Clock
  /** The latest read, if it is in progress. */
  #flight: Flight<Result> | undefined

  constructor(limit: Limiter, clock: Clock) {
    this.#limit = limit
    this.#clock = clock
  }

  /** Whether a read is in progress that was sent less than `accepted` milliseconds ago, or is yet to be sent. */
  isJoinable(accepted: number): boolean {
    return this.#flight !== undefined && this.#clock.monotonic() - this.#flight.sentAt < accepted
  }

  /**
   * Joins the read in progress if it is joinable, otherwise starts one. An earlier read may then still be in progress.
   * @param read is called when it is its turn, with that time on the monotonic clock, and the wait for it in milliseconds
   */
  join(accepted: number, read: (sentAt: number, waited: number) => Promise<Result>): Promise<Result> {
    if (this.#flight && this.isJoinable(accepted)) return this.#flight.result
    const startedAt = this.#clock.monotonic()
    const send = async () => {
      flight.sentAt = this.#clock.monotonic()
      try {
        return await read(flight.sentAt, flight.sentAt - startedAt)
      } finally {
        if (this.#flight === flight) this.#flight = undefined
      }
    }
    const { promise, resolve } = Promise.withResolvers<Result>()
    const flight: Flight<Result> = { sentAt: Infinity, result: promise }
    this.#flight = flight // before the read, which may call this method
    resolve(this.#limit(send))
    return promise
  }
}
