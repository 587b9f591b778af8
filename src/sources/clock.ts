/** Time and randomness, injected so that tests can control them. */
import { setTimeout } from 'node:timers/promises'

export interface Clock {
  /** The current time in milliseconds since the epoch. */
  readonly now: () => number
  /** A random number in [0, 1). */
  readonly random: () => number
  /** Resolves after `ms` milliseconds; rejects if the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

export const systemClock: Clock = {
  now: Date.now,
  random: Math.random,
  sleep: (ms, signal) => setTimeout(ms, undefined, { signal }),
}
