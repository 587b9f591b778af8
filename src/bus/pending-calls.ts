/** Bounds the pending calls of one listener or provider. */
import { ChannelOverloaded } from './errors.ts'

/** Up to about 2,000 pending calls, only every 32nd call is counted, because counting costs as much as a call. */
const sampling = 32
const suspicious = 64

/** Together with those that were not counted, about 10,000 pending calls. */
const limit = 8_000

export class PendingCalls {
  #started = 0
  #counted = 0
  #refused = false
  readonly #onFirstRefusal: (error: ChannelOverloaded) => void

  /** @param onFirstRefusal called for the first of consecutive rejections */
  constructor(onFirstRefusal: (error: ChannelOverloaded) => void) {
    this.#onFirstRefusal = onFirstRefusal
  }

  /** @throws ChannelOverloaded if too many calls are pending */
  check(channel: string, by: string): void {
    if (this.#counted < limit) return
    const error = new ChannelOverloaded(channel, by)
    if (!this.#refused) this.#onFirstRefusal(error)
    this.#refused = true
    throw error
  }

  /** Returns the answer, or a promise that settles with it and is counted until then. */
  add<Output>(answer: Promise<Output>): Promise<Output> {
    this.#started += 1
    if (this.#counted < suspicious && this.#started % sampling !== 0) return answer
    this.#counted += 1
    return answer.finally(() => {
      this.#counted -= 1
      if (this.#counted < limit / 2) this.#refused = false
    })
  }
}
