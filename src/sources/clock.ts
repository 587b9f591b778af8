/** Time and randomness, injected so that tests can control them. */
import { setTimeout } from 'node:timers/promises'

export interface Clock {
  /** The time of the wall clock, in milliseconds since the epoch. It jumps when the clock is set. */
  readonly now: () => number
  /** A time in milliseconds that never jumps, for lifetimes and backoff. Only differences are meaningful. */
  readonly monotonic: () => number
  /** A random number in [0, 1). */
  readonly random: () => number
  /** Resolves after `ms` milliseconds; rejects if the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  random: Math.random,
  sleep: (ms, signal) => setTimeout(ms, undefined, { signal }),
}
