/** Limits the rate of requests of each client: https://en.wikipedia.org/wiki/Token_bucket */

/** Clients with a rate of their own. Beyond that, the one that was limited first starts with a full bucket. */
const maxClients = 10_000

export class ClientRates {
  readonly #byName = new Map<string, { readonly rate: number; readonly bucket: TokenBucket }>()

  /**
   * Accepts a request of a client if its rate allows it.
   * @returns the time in milliseconds until a request would be accepted; 0 if this one is
   */
  take(name: string, rate: number): number {
    let limited = this.#byName.get(name)
    if (limited?.rate !== rate) {
      limited = { rate, bucket: new TokenBucket(rate) }
      this.#byName.delete(name)
      this.#byName.set(name, limited)
      const [first] = this.#byName.keys()
      if (this.#byName.size > maxClients && first !== undefined) this.#byName.delete(first)
    }
    return limited.bucket.take()
  }
}

/** Holds the requests of one second, so that a burst of that many is accepted after a pause. */
export class TokenBucket {
  readonly #rate: number
  readonly #monotonic: () => number
  #tokens: number
  #updatedAt: number

  /**
   * @param rate requests per second; below 1, one request is accepted every 1/rate seconds
   * @param monotonic returns a time in milliseconds that never jumps
   */
  constructor(rate: number, monotonic: () => number = () => performance.now()) {
    this.#rate = rate
    this.#monotonic = monotonic
    this.#tokens = this.#capacity
    this.#updatedAt = monotonic()
  }

  /**
   * Accepts a request if the rate allows it.
   * @returns the time in milliseconds until a request would be accepted; 0 if this one is
   */
  take(): number {
    const now = this.#monotonic()
    this.#tokens = Math.min(this.#capacity, this.#tokens + ((now - this.#updatedAt) * this.#rate) / 1_000)
    this.#updatedAt = now
    if (this.#tokens < 1) return ((1 - this.#tokens) * 1_000) / this.#rate
    this.#tokens -= 1
    return 0
  }

  get #capacity(): number {
    return Math.max(1, this.#rate)
  }
}
