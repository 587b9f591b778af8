/** A worker that repeats a task while the process runs, and ends with it. */
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { longestDelay } from '../call.ts'
import { messageOf } from '../errors.ts'
import { type Backoff, backoff } from './backoff.ts'
import { lifecycle } from './lifecycle.ts'
import type { ProcessBus } from './process-bus.ts'

/** One run of the task. */
export interface BackgroundRun {
  /** Correlates the log lines and the calls of this run; pass it on in the context of calls. */
  readonly id: string
  /** Aborts when the process stops. A run that ignores it delays the stop until the shutdown deadline. */
  readonly signal: AbortSignal
}

export interface BackgroundLoopOptions {
  /** Pause between the end of a run and the start of the next one, in milliseconds. */
  readonly every: number
  /** Ceiling of the pause after failures, in milliseconds; 30 s by default. It is never less than `every`. */
  readonly maxPause?: number
  /** Name for logs; that of the function by default. */
  readonly name?: string
  /** Waits and randomness, for tests; those of the system by default. */
  readonly clock?: LoopClock
}

export interface LoopClock {
  /** Resolves after `ms` milliseconds; rejects if the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** A random number in [0, 1). */
  readonly random: () => number
}

export const systemClock: LoopClock = {
  sleep: (ms, signal) => setTimeout(ms, undefined, { signal }),
  random: Math.random,
}

/**
 * Repeats a task from the moment that the process has started until it stops, and again after a restart. Runs never
 * overlap. A failure is logged, once as long as the reason stays the same, and the loop continues: the pause after it
 * is at least `every` and grows with consecutive failures to between 50 and 100% of `maxPause`. The stop aborts the
 * signal of the run in progress and awaits its end, within the shutdown timeout.
 *
 * Call it in a subscriber. As listeners stop in reverse order, the loop ends before what was subscribed earlier.
 * @param run the task. Failures after the abort of its signal are not logged
 * @throws RangeError unless `every` is a number of milliseconds from 0 to 2147483647 and `maxPause` is positive;
 *   TypeError if `run` is not a function
 */
export function backgroundLoop(
  bus: ProcessBus,
  run: (run: BackgroundRun) => unknown,
  { every, maxPause = 30_000, name = run?.name || 'background loop', clock = systemClock }: BackgroundLoopOptions,
): void {
  if (typeof run !== 'function') throw new TypeError(`run must be a function, received ${typeof run}`)
  if (!(Number.isFinite(every) && every >= 0 && every <= longestDelay))
    throw new RangeError(`every must be a number of milliseconds from 0 to ${longestDelay}, received ${every}`)
  const pauses = backoff({ first: Math.min(100, maxPause), max: maxPause, random: clock.random })
  let stopping = new AbortController()
  let loop = Promise.resolve()

  bus.subscribe(lifecycle.state, (state) => {
    if (state !== 'STARTED') return
    stopping = new AbortController()
    const { signal } = stopping
    // After the previous loop, which may still be running if its stop was abandoned.
    loop = loop.then(() => repeat(observed(bus, run, name), every, pauses, clock, signal))
  })

  bus.subscribe(lifecycle.stop, () => {
    stopping.abort()
    return loop
  })
}

/** Runs the task until the signal aborts. */
async function repeat(
  attempt: (signal: AbortSignal) => Promise<boolean>,
  every: number,
  pauses: Backoff,
  { sleep }: LoopClock,
  signal: AbortSignal,
): Promise<void> {
  pauses.reset()
  while (!signal.aborted) {
    const succeeded = await attempt(signal)
    if (succeeded) pauses.reset()
    const pause = succeeded ? every : Math.max(every, pauses.next())
    await sleep(pause, signal).catch(() => {}) // the process stops
  }
}

/** Returns a function that runs the task once, logs failures and the recovery, and returns whether it succeeded. */
function observed(bus: ProcessBus, run: (run: BackgroundRun) => unknown, name: string) {
  let logged: string | undefined
  return async (signal: AbortSignal): Promise<boolean> => {
    const id = randomUUID()
    const fields = { loop: name, reqId: id }
    try {
      await run({ id, signal })
      if (logged !== undefined) bus.log('info', `Recovered: ran ${name}`, fields)
      logged = undefined
      return true
    } catch (error) {
      const reason = messageOf(error)
      const level = signal.aborted || reason === logged ? 'debug' : 'warn'
      bus.log(level, `Failed to run ${name}: ${reason}`, { ...fields, err: error })
      if (!signal.aborted) logged = reason
      return false
    }
  }
}
