/** Exponential backoff: 100 ms, doubled with each consecutive failure up to 30 s, with jitter. */
export class Backoff {
  #failures = 0
  readonly #random: () => number

  /** @param random returns a number in [0, 1) */
  constructor(random: () => number) {
    this.#random = random
  }

  /**
   * Counts a failure.
   * @returns the delay in milliseconds, at random between 50% and 100% of the ceiling ("equal jitter", see
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
