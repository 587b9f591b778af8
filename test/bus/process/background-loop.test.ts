import { once } from 'node:events'
import { describe, expect, test, vi } from 'vitest'
import {
  type BackgroundLoopOptions,
  type BackgroundRun,
  backgroundLoop,
} from '../../../src/bus/process/background-loop.ts'
import { lifecycle } from '../../../src/bus/process/lifecycle.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'

/** A bus with a loop whose runs end on demand. */
function controlled(options: Partial<BackgroundLoopOptions> = {}, shutdownTimeout = 10_000) {
  const clock = new ManualClock()
  const runs: (PromiseWithResolvers<void> & BackgroundRun)[] = []
  const run = (given: BackgroundRun) => {
    const current = { ...Promise.withResolvers<void>(), ...given }
    runs.push(current)
    return current.promise
  }
  const recorded = recordedBus(
    { worker: (bus) => backgroundLoop(bus, run, { every: 1_000, name: 'poll', clock, ...options }) },
    { shutdownTimeout },
  )
  /** Starts the next run after the pause and makes it fail. */
  const fail = async (error: unknown) => {
    runs.at(-1)?.reject(error)
    await settled()
    await clock.advance(clock.sleeping[0] ?? 0)
  }
  return { ...recorded, clock, runs, fail }
}

describe('a background loop', () => {
  test('begins once the process has started', async () => {
    const { bus, runs } = controlled()
    const { promise: ready, resolve } = Promise.withResolvers<void>()
    bus.subscribe(lifecycle.start, () => ready)
    const started = bus.start()
    await settled()
    expect(runs).toHaveLength(0)

    resolve()
    await started
    await settled()

    expect(runs).toHaveLength(1)
  })

  test('runs again after the pause, counted from the end of the previous run', async () => {
    const { bus, clock, runs } = controlled()
    await bus.start()
    await clock.advance(5_000)
    expect(runs).toHaveLength(1)

    runs[0]?.resolve()
    await settled()
    await clock.advance(999)
    expect(runs).toHaveLength(1)
    await clock.advance(1)

    expect(runs).toHaveLength(2)
  })

  test('gives each run an id of its own', async () => {
    const { bus, clock, runs } = controlled()
    await bus.start()
    await settled()
    runs[0]?.resolve()
    await settled()
    await clock.advance(1_000)

    const ids = runs.map(({ id }) => id)

    expect(new Set(ids).size).toBe(2)
    for (const id of ids) expect(id).toMatch(/^[\w-]+$/)
  })

  test('may have a task that is synchronous', async () => {
    const clock = new ManualClock()
    const run = vi.fn()
    const { bus } = recordedBus({ worker: (bus) => backgroundLoop(bus, run, { every: 10, clock }) })
    await bus.start()
    await settled()

    await clock.advance(10)

    expect(run).toHaveBeenCalledTimes(2)
  })

  test('uses the real time by default', async () => {
    const run = vi.fn()
    await using recorded = recordedBus({ worker: (bus) => backgroundLoop(bus, run, { every: 0 }) })

    await recorded.bus.start()

    await expect.poll(() => run.mock.calls.length).toBeGreaterThan(2)
  })
})

describe('a failure of a run', () => {
  test('is logged with its error and the id of the run, and the loop continues', async () => {
    const { bus, records, runs, fail } = controlled()
    await bus.start()
    await settled()
    const error = new Error('oops')

    await fail(error)

    expect(runs).toHaveLength(2)
    expect(records.filter(({ level }) => level === 'warn')).toEqual([
      { level: 'warn', message: 'Failed to run poll: oops', fields: { loop: 'poll', reqId: runs[0]?.id, err: error } },
    ])
  })

  test('is logged once per series of the same reason', async () => {
    const { bus, messages, fail } = controlled()
    await bus.start()
    await settled()

    for (const reason of ['a', 'a', 'b', 'b', 'a']) await fail(new Error(reason))

    expect(messages('warn')).toEqual(['a', 'b', 'a'].map((reason) => `Failed to run poll: ${reason}`))
  })

  test('is logged again after a success, which is logged once', async () => {
    const { bus, clock, messages, runs, fail } = controlled()
    await bus.start()
    await settled()
    await fail(new Error('a'))
    for (let count = 0; count < 2; count += 1) {
      runs.at(-1)?.resolve()
      await settled()
      await clock.advance(1_000)
    }

    await fail(new Error('a'))

    expect(messages('warn')).toHaveLength(2)
    expect(messages('info').filter((message) => message.startsWith('Recovered'))).toEqual(['Recovered: ran poll'])
  })

  test('that is thrown synchronously is handled in the same way', async () => {
    const clock = new ManualClock()
    const poll = () => {
      throw new Error('oops')
    }
    const { bus, messages } = recordedBus({ worker: (bus) => backgroundLoop(bus, poll, { every: 1, clock }) })

    await bus.start()
    await settled()

    expect(messages('warn')).toEqual(['Failed to run poll: oops'])
    expect(clock.sleeping).toHaveLength(1)
  })

  test('extends the pause up to the given maximum, which may be less than the usual first one', async () => {
    const { bus, clock, fail } = controlled({ every: 10, maxPause: 50 })
    clock.randomValue = 1 - Number.EPSILON
    await bus.start()
    await settled()
    for (let count = 0; count < 10; count += 1) await fail(new Error('oops'))

    await fail(new Error('oops'))

    expect(clock.monotonic()).toBeCloseTo(11 * 50)
  })

  test('extends the pause, which doubles up to a bound and is never shorter than without failures', async () => {
    const { bus, clock, runs } = controlled({ every: 150 })
    clock.randomValue = 1 - Number.EPSILON
    await bus.start()
    await settled()
    const pauses: number[] = []
    for (let count = 0; count < 11; count += 1) {
      runs.at(-1)?.reject(new Error('oops'))
      await settled()
      const [pause = 0] = clock.sleeping
      pauses.push(Math.round(pause))
      await clock.advance(pause)
    }
    expect(pauses).toEqual([150, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000])

    runs.at(-1)?.resolve()
    await settled()
    expect(clock.sleeping).toEqual([150])
    await clock.advance(150)
    runs.at(-1)?.reject(new Error('oops'))
    await settled()

    expect(clock.sleeping).toEqual([150])
  })
})

describe('the stop', () => {
  test('aborts the signal and awaits the run in progress', async () => {
    const { bus, runs } = controlled()
    await bus.start()
    await settled()
    let stopped = false
    const stop = bus.stop().then(() => {
      stopped = true
    })
    await settled()
    expect(runs[0]?.signal.aborted).toBe(true)
    expect(stopped).toBe(false)

    runs[0]?.resolve()
    await stop

    expect(bus.state).toBe('STOPPED')
  })

  test('ends the pause without another run', async () => {
    const { bus, clock, runs } = controlled()
    await bus.start()
    await settled()
    runs[0]?.resolve()
    await settled()

    await bus.stop()

    expect(clock.sleeping).toEqual([])
    expect(runs).toHaveLength(1)
  })

  test('ends the loop before what was subscribed earlier', async () => {
    const order: string[] = []
    const run = async ({ signal }: BackgroundRun) => {
      await once(signal, 'abort')
      await settled()
      order.push('run ended')
    }
    const { bus } = recordedBus({
      connection: (bus) => bus.subscribe(lifecycle.stop, () => order.push('connection closed')),
      worker: (bus) => backgroundLoop(bus, run, { every: 1 }),
    })
    await bus.start()
    await settled()

    await bus.stop()

    expect(order).toEqual(['run ended', 'connection closed'])
  })

  test('does not log a run that fails because of it', async () => {
    const { bus, messages, runs } = controlled()
    await bus.start()
    await settled()
    const stopped = bus.stop()
    await settled()

    runs[0]?.reject(runs[0].signal.reason)
    await stopped

    expect(messages('warn')).toEqual([])
  })

  test('has no effect if the process never started', async () => {
    const { bus, runs } = controlled()

    await bus.stop()

    expect(runs).toHaveLength(0)
    expect(bus.state).toBe('STOPPED')
  })

  test('abandons a run that ignores its signal at the shutdown deadline', async () => {
    const { bus, messages } = controlled({}, 10)
    await bus.start()
    await settled()

    expect(await bus.exit()).toBe(70)

    expect(messages('error')).toContain('worker failed on lifecycle.stop: Shutdown timed out after 10 ms')
  })
})

describe('a restart', () => {
  test('begins the loop again with a new signal', async () => {
    const { bus, runs } = controlled()
    await bus.start()
    await settled()
    runs[0]?.resolve()
    await bus.stop()

    await bus.start()
    await settled()

    expect(runs).toHaveLength(2)
    expect(runs[1]?.signal.aborted).toBe(false)
  })
})

describe('the options', () => {
  const { bus } = recordedBus()

  test.each([-1, Number.NaN, Infinity, 2 ** 31, '5'])('refuse a pause of %j ms', (every) => {
    expect(() => backgroundLoop(bus, () => {}, { every: every as number })).toThrow(
      RangeError(`every must be a number of milliseconds from 0 to 2147483647, received ${every}`),
    )
  })

  test('refuse a task that is not a function', () => {
    // @ts-expect-error a promise is not a function
    expect(() => backgroundLoop(bus, Promise.resolve(), { every: 1 })).toThrow(
      TypeError('run must be a function, received object'),
    )
  })
})
