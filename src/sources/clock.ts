/** Time and randomness, injected so that tests can control them. */
import { performance } from 'node:perf_hooks'
import { type LoopClock, systemClock as loopClock } from '../bus/process/background-loop.ts'

export interface Clock extends LoopClock {
  /** The time of the wall clock, in milliseconds since the epoch. It jumps when the clock is set. */
  readonly now: () => number
  /** A time in milliseconds that never jumps, for lifetimes and backoff. Only differences are meaningful. */
  readonly monotonic: () => number
}

export const systemClock: Clock = {
  ...loopClock,
  now: Date.now,
  monotonic: () => performance.now(),
}
