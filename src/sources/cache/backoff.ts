/** How long to wait after failures in a row: from 100 ms, doubling to 30 s, jittered. */
export class Backoff {
  #failures = 0
  readonly #random: () => number

  /** @param random answers with a number from 0 up to 1 */
  constructor(random: () => number) {
    this.#random = random
  }

  /**
   * Counts a failure.
   * @returns how long to wait now, in milliseconds: between half of the doubled time and all of it ("equal jitter", see
   *   https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)
   */
  next(): number {
    const ceiling = Math.min(30_000, 100 * 2 ** this.#failures)
    this.#failures += 1
    return (ceiling * (1 + this.#random())) / 2
  }

  reset(): void {
    this.#failures = 0
  }
}
