/** Exponential backoff with jitter, for retries. */
export interface Backoff {
  /**
   * Counts a failure.
   * @returns the delay before the next attempt in milliseconds, at random between 50% and 100% of the ceiling ("equal
   *   jitter", see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)
   */
  next(): number
  /** Starts over; call it after a success. */
  reset(): void
}

export interface BackoffOptions {
  /** Ceiling of the first delay in milliseconds; 100 by default. It doubles with each consecutive failure. */
  readonly first?: number
  /** Ceiling of all delays in milliseconds; 30 s by default. */
  readonly max?: number
  /** Returns a number in [0, 1); `Math.random` by default. */
  readonly random?: () => number
}

/** @throws RangeError unless `first` is positive, and `max` is finite and not below `first` */
export function backoff({ first = 100, max = 30_000, random = Math.random }: BackoffOptions = {}): Backoff {
  if (!(first > 0 && first < Infinity))
    throw new RangeError(`first must be a positive number of milliseconds, received ${first}`)
  if (!(max >= first && max < Infinity))
    throw new RangeError(`max must be a number of milliseconds of at least first (${first}), received ${max}`)
  let failures = 0
  return {
    next() {
      const ceiling = Math.min(max, first * 2 ** failures)
      failures += 1
      return (ceiling * (1 + random())) / 2
    },
    reset() {
      failures = 0
    },
  }
}
