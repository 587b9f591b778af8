import { getEventListeners } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { request } from '../../../src/bus/channel.ts'
import { ChannelFailures, Exiting, MissingProviders, ShutdownTimeout } from '../../../src/bus/errors.ts'
import { lifecycle, type State } from '../../../src/bus/process/lifecycle.ts'
import { ProcessBus } from '../../../src/bus/process/process-bus.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'

const never = () => new Promise<never>(() => {})
const failing = (message: string) => () => {
  throw new Error(message)
}

describe('checking providers', () => {
  const getAnswer = request<void, number>('answer.get')
  const getQuestion = request<void, string>('question.get')

  test('rejects the start and names all missing providers before any start listener runs', async () => {
    const { bus, messages } = recordedBus({
      quiz: (view) => void [view.requester(getAnswer), view.requester(getQuestion)],
      cheat: (view) => void view.requester(getAnswer),
    })
    const listener = vi.fn()
    bus.subscribe(lifecycle.start, listener)

    const error = await bus.start().catch((error) => error)

    expect(error).toBeInstanceOf(MissingProviders)
    expect(error).toMatchObject({
      code: 'BUS_MISSING_PROVIDERS',
      message:
        'No provider for channel answer.get (required by quiz and cheat); ' +
        'No provider for channel question.get (required by quiz)',
      needs: [
        { channel: 'answer.get', usedBy: ['quiz', 'cheat'] },
        { channel: 'question.get', usedBy: ['quiz'] },
      ],
    })
    expect(messages('error')).toEqual([`Failed to start: ${error.message}`])
    expect(listener).not.toHaveBeenCalled()
    expect(bus.state).toBe('EXITING')
  })

  test('accepts a requester that is declared before its provider', async () => {
    const { bus } = recordedBus({
      quiz: (view) => void view.requester(getAnswer),
      oracle: (view) => void view.provide(getAnswer, () => 42),
    })
    await bus.start()
    expect(bus.state).toBe('STARTED')
  })

  test('reports the users and handlers of each channel in the topology, in the order of delivery', () => {
    const { bus } = recordedBus({
      quiz: (view) => {
        view.requester(getAnswer)
        view.subscribe(lifecycle.start, () => {}, { name: 'late', priority: 60 })
      },
      oracle: (view) => {
        view.provide(getAnswer, () => 42)
        view.subscribe(lifecycle.start, () => {})
      },
    })
    expect(bus.topology()).toEqual(
      expect.arrayContaining([
        { channel: 'answer.get', kind: 'request', handlers: [{ name: 'oracle', priority: 0 }], usedBy: ['quiz'] },
        {
          channel: 'lifecycle.start',
          kind: 'event',
          handlers: [
            { name: 'oracle', priority: 50 },
            { name: 'late', priority: 60 },
          ],
          usedBy: ['process'],
        },
      ]),
    )
  })
})

describe('starting', () => {
  test('runs the start listeners in order, between STARTING and STARTED', async () => {
    const { bus, messages } = recordedBus()
    const steps: string[] = []
    bus.subscribe(lifecycle.start, async () => {
      await Promise.resolve()
      steps.push(`first while ${bus.state}`)
    })
    bus.subscribe(lifecycle.start, () => steps.push('second'))

    const starting = bus.start()
    expect(bus.state).toBe('STARTING')
    await starting

    expect(bus.state).toBe('STARTED')
    expect(steps).toEqual(['first while STARTING', 'second'])
    expect(messages()).toEqual(['Bus STARTING', 'Bus STARTED'])
  })

  test('skips the remaining listeners after a failure, stops, exits and rejects with the error', async () => {
    const { bus, messages } = recordedBus()
    const error = new Error('no database')
    const after = vi.fn()
    bus.subscribe(lifecycle.start, () => Promise.reject(error), { name: 'database' })
    bus.subscribe(lifecycle.start, after)
    bus.subscribe(lifecycle.stop, () => bus.log('info', 'stopped'))
    bus.subscribe(lifecycle.exit, () => bus.log('info', 'exited'))

    await expect(bus.start()).rejects.toBe(error)

    expect(after).not.toHaveBeenCalled()
    expect(await bus.exit()).toBe(70)
    expect(messages()).toEqual([
      'Bus STARTING',
      'database failed on lifecycle.start: no database',
      'Bus STOPPING',
      'stopped',
      'Bus STOPPED',
      'Bus EXITING',
      'exited',
      'Bus EXITED',
    ])
  })

  test('exits with 70 after a failed start, even if a stop was requested meanwhile', async () => {
    const { bus } = recordedBus()
    const release = Promise.withResolvers<void>()
    bus.subscribe(lifecycle.start, () => release.promise)
    const starting = bus.start()
    const stopping = bus.stop()
    release.reject(new Error('broken'))
    await expect(starting).rejects.toThrow('broken')
    await stopping
    expect(await bus.exit()).toBe(70)
  })

  test('fails if a start listener exceeds its timeout', async () => {
    const { bus } = recordedBus()
    bus.subscribe(lifecycle.start, never, { timeout: 1, name: 'slow' })
    await expect(bus.start()).rejects.toThrow('slow did not finish lifecycle.start within 1 ms')
  })
})

describe('stopping', () => {
  test('runs all stop listeners, in reverse order of subscription within a priority, even if one fails', async () => {
    const { bus, messages } = recordedBus()
    const steps: string[] = []
    bus.subscribe(lifecycle.stop, () => steps.push('first'))
    bus.subscribe(lifecycle.stop, failing('stuck'), { name: 'second' })
    bus.subscribe(lifecycle.stop, () => steps.push('third'))
    bus.subscribe(lifecycle.stop, () => steps.push('early'), { priority: 10 })
    await bus.start()

    await expect(bus.stop()).rejects.toThrow(ChannelFailures)

    expect(steps).toEqual(['early', 'third', 'first'])
    expect(bus.state).toBe('STOPPED')
    expect(messages().slice(2)).toEqual(['Bus STOPPING', 'second failed on lifecycle.stop: stuck', 'Bus STOPPED'])
  })

  test('allows another start', async () => {
    const { bus } = recordedBus()
    const listener = vi.fn()
    bus.subscribe(lifecycle.start, listener)
    await bus.start()
    await bus.stop()
    await bus.start()
    expect(listener).toHaveBeenCalledTimes(2)
    expect(bus.state).toBe('STARTED')
  })
})

describe('exiting', () => {
  test('stops, even if never started, then runs the exit listeners in reverse', async () => {
    const { bus } = recordedBus()
    const steps: string[] = []
    bus.subscribe(lifecycle.stop, () => steps.push('stop'))
    bus.subscribe(lifecycle.exit, () => steps.push('first'))
    bus.subscribe(lifecycle.exit, () => steps.push(`second while ${bus.state}`))

    expect(await bus.exit()).toBe(0)
    expect(steps).toEqual(['stop', 'second while EXITING', 'first'])
  })

  test.for(['stop', 'exit'] as const)('returns 70 if the %s listener failed', async (channel) => {
    const { bus } = recordedBus()
    bus.subscribe(lifecycle[channel], failing('stuck'))
    expect(await bus.exit()).toBe(70)
  })

  test('returns 70 if a stop listener timed out', async () => {
    const { bus } = recordedBus()
    bus.subscribe(lifecycle.stop, never, { timeout: 1 })
    expect(await bus.exit()).toBe(70)
  })

  test('returns the first non-zero code that exit was called with', async () => {
    const { bus } = recordedBus()
    bus.subscribe(lifecycle.exit, failing('stuck'))
    const codes = [bus.exit(), bus.exit(3), bus.exit(4)]
    expect(await Promise.all(codes)).toEqual([3, 3, 3])
  })

  test.for([
    [256, '256'],
    [-1, '-1'],
    [1.5, '1.5'],
    [NaN, 'NaN'],
    [Infinity, 'Infinity'],
    ['1', 'string'],
    [null, 'object'],
    [1n, 'bigint'],
    [new Error('sentinel'), 'object'],
  ])('rejects the code %s, and exits with 70', async ([code, received]) => {
    const { bus, messages } = recordedBus()
    const message = `exit code must be a whole number from 0 to 255, received ${received}`

    await expect(bus.exit(code as number)).rejects.toThrow(new RangeError(message))

    expect(await bus.exit()).toBe(70)
    expect(messages('error')).toEqual([message])
    expect(bus.state).toBe('EXITING')
  })

  test('keeps the earlier code when it rejects a later one, and handles the rejection', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    const { bus } = recordedBus()
    void bus.exit(3)
    void bus.exit(256)
    expect(await bus.exit()).toBe(3)
    await turn()
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('accepts every code that a process can have', async () => {
    const codes = Array.from({ length: 256 }, (_, code) => code)
    expect(await Promise.all(codes.map((code) => new ProcessBus().exit(code)))).toEqual(codes)
  })

  test('does not end the process', async () => {
    const exit = vi.spyOn(process, 'exit')
    await new ProcessBus().exit()
    expect(exit).not.toHaveBeenCalled()
    exit.mockRestore()
  })
})

describe('reloading', () => {
  test('runs the listeners when STARTED and returns their outputs', async () => {
    const { bus, messages } = recordedBus()
    bus.subscribe(lifecycle.graceful, () => 'reloaded')
    await bus.start()
    expect(await bus.graceful()).toEqual(['reloaded'])
    expect(messages()).toEqual(['Bus STARTING', 'Bus STARTED', 'Bus graceful'])
    expect(bus.state).toBe('STARTED')
  })

  test('has no effect in any other state', async () => {
    const { bus } = recordedBus()
    const listener = vi.fn()
    bus.subscribe(lifecycle.graceful, listener)
    expect(await bus.graceful()).toEqual([])
    await bus.exit()
    expect(await bus.graceful()).toEqual([])
    expect(listener).not.toHaveBeenCalled()
  })

  test('rejects if a listener fails, and stays STARTED', async () => {
    const { bus } = recordedBus()
    bus.subscribe(lifecycle.graceful, failing('unreadable'))
    await bus.start()
    await expect(bus.graceful()).rejects.toThrow(ChannelFailures)
    expect(bus.state).toBe('STARTED')
  })

  test('runs again for a request made during a reload, which may have read its data earlier', async () => {
    const { bus } = recordedBus()
    const release = Promise.withResolvers<void>()
    const listener = vi.fn(() => release.promise)
    bus.subscribe(lifecycle.graceful, listener)
    await bus.start()

    const both = [bus.graceful(), bus.graceful()]
    await Promise.resolve()
    expect(listener).toHaveBeenCalledTimes(1)
    release.resolve()
    await Promise.all(both)
    expect(listener).toHaveBeenCalledTimes(2)
  })

  test('merges reloads that are queued, but not later ones', async () => {
    const { bus } = recordedBus()
    const release = Promise.withResolvers<void>()
    const listener = vi.fn(() => release.promise)
    bus.subscribe(lifecycle.graceful, listener)
    await bus.start()

    const all = Array.from({ length: 50 }, () => bus.graceful())
    release.resolve()
    await Promise.all(all)
    expect(listener).toHaveBeenCalledTimes(2)

    await bus.graceful()
    expect(listener).toHaveBeenCalledTimes(3)
  })
})

describe('gracefulSettled', () => {
  test('names each listener with its outcome, and stays STARTED', async () => {
    const { bus, messages } = recordedBus({
      tokens: (view) => view.subscribe(lifecycle.graceful, failing('unreadable')),
      cache: (view) => view.subscribe(lifecycle.graceful, () => 'reloaded'),
    })
    await bus.start()

    expect(await bus.gracefulSettled()).toEqual([
      { handler: 'tokens', status: 'rejected', reason: new Error('unreadable') },
      { handler: 'cache', status: 'fulfilled', value: 'reloaded' },
    ])
    expect(bus.state).toBe('STARTED')
    expect(messages().slice(2)).toEqual(['Bus graceful', 'tokens failed on lifecycle.graceful: unreadable'])
  })

  test('returns an empty array in any other state', async () => {
    const { bus } = recordedBus()
    const listener = vi.fn()
    bus.subscribe(lifecycle.graceful, listener)
    expect(await bus.gracefulSettled()).toEqual([])
    await bus.start()
    await bus.exit()
    expect(await bus.gracefulSettled()).toEqual([])
    expect(listener).not.toHaveBeenCalled()
  })

  test('shares a queued reload with graceful', async () => {
    const { bus } = recordedBus()
    const release = Promise.withResolvers<void>()
    const listener = vi.fn(() => release.promise)
    bus.subscribe(lifecycle.graceful, listener, { name: 'reloader' })
    await bus.start()

    const running = bus.graceful()
    const queued = [bus.gracefulSettled(), bus.graceful(), bus.gracefulSettled()]
    release.resolve()
    await running

    expect(await Promise.all(queued)).toEqual([
      [{ handler: 'reloader', status: 'fulfilled', value: undefined }],
      [undefined],
      [{ handler: 'reloader', status: 'fulfilled', value: undefined }],
    ])
    expect(listener).toHaveBeenCalledTimes(2)
  })

  test('skips a reload that is queued when the process exits', async () => {
    const { bus } = recordedBus()
    const release = Promise.withResolvers<void>()
    const listener = vi.fn(() => release.promise)
    bus.subscribe(lifecycle.graceful, listener)
    await bus.start()

    const running = bus.gracefulSettled()
    const queued = bus.gracefulSettled()
    const exiting = bus.exit()
    release.resolve()

    expect(await running).toHaveLength(1)
    expect(await queued).toEqual([])
    await exiting
    expect(listener).toHaveBeenCalledTimes(1)
  })

  test('reports a listener that the shutdown timeout abandons', async () => {
    const { bus } = recordedBus({}, { shutdownTimeout: 5 })
    bus.subscribe(lifecycle.graceful, never, { name: 'hanging' })
    await bus.start()
    const reloading = bus.gracefulSettled()
    const code = bus.exit()
    expect(await reloading).toEqual([{ handler: 'hanging', status: 'rejected', reason: new ShutdownTimeout(5) }])
    expect(await code).toBe(70)
  })
})

describe('transitions', () => {
  test('return the promise of the running start while STARTING', async () => {
    const { bus } = recordedBus()
    const listener = vi.fn(async () => {})
    bus.subscribe(lifecycle.start, listener)
    const first = bus.start()
    expect(bus.start()).toBe(first)
    await first
    expect(listener).toHaveBeenCalledTimes(1)
  })

  test('ignore a start when STARTED and reject it after an exit', async () => {
    const { bus, messages } = recordedBus()
    await bus.start()
    await bus.start()
    expect(messages()).toEqual(['Bus STARTING', 'Bus STARTED'])
    await bus.exit()
    await expect(bus.start()).rejects.toThrow(Exiting)
  })

  test('set `exiting` while an exit waits for another transition', async () => {
    const { bus } = recordedBus()
    const release = Promise.withResolvers<void>()
    bus.subscribe(lifecycle.graceful, () => release.promise)
    await bus.start()
    void bus.graceful()
    expect(bus.exiting).toBe(false)
    const exiting = bus.exit()
    expect([bus.state, bus.exiting]).toEqual(['STARTED', true])
    release.resolve()
    expect(await exiting).toBe(0)
  })

  test('return the promise of the first exit while EXITING and afterwards', async () => {
    const { bus, messages } = recordedBus()
    const first = bus.exit()
    expect(bus.exit()).toBe(first)
    await first
    expect(bus.exit()).toBe(first)
    expect(messages().filter((message) => message === 'Bus EXITING')).toHaveLength(1)
  })

  test('finish the current start listener and skip the rest on an exit during STARTING', async () => {
    const { bus, messages } = recordedBus()
    const release = Promise.withResolvers<void>()
    const next = vi.fn()
    bus.subscribe(lifecycle.start, async () => {
      await release.promise
      bus.log('info', 'finished')
    })
    bus.subscribe(lifecycle.start, next)

    const starting = bus.start()
    const exiting = bus.exit()
    release.resolve()

    await expect(starting).rejects.toThrow(Exiting)
    expect(await exiting).toBe(70)
    expect(next).not.toHaveBeenCalled()
    expect(messages()).toEqual(['Bus STARTING', 'finished', 'Bus STOPPING', 'Bus STOPPED', 'Bus EXITING', 'Bus EXITED'])
  })

  test('never reach STARTED if the last start listener calls exit', async () => {
    const { bus, messages } = recordedBus()
    bus.subscribe(lifecycle.start, () => void bus.exit())
    await expect(bus.start()).rejects.toThrow(Exiting)
    expect(messages()).not.toContain('Bus STARTED')
  })

  test('never overlap, regardless of the order of the calls', async () => {
    const { bus, messages } = recordedBus()
    const slow = () => new Promise(setImmediate)
    bus.subscribe(lifecycle.start, slow)
    bus.subscribe(lifecycle.stop, slow)
    bus.subscribe(lifecycle.graceful, slow)
    await Promise.all([bus.start(), bus.graceful(), bus.stop()])
    await Promise.allSettled([bus.start(), bus.stop(), bus.exit()])
    expect(messages()).toEqual([
      'Bus STARTING',
      'Bus STARTED',
      'Bus graceful',
      'Bus STOPPING',
      'Bus STOPPED',
      'Bus STARTING',
      'Bus STOPPING',
      'Bus STOPPED',
      'Bus EXITING',
      'Bus EXITED',
    ])
  })

  test('do not repeat if a listener requests the transition in progress', async () => {
    const { bus, messages } = recordedBus()
    bus.subscribe(lifecycle.stop, () => void bus.exit())
    bus.subscribe(lifecycle.stop, () => void bus.stop())
    bus.subscribe(lifecycle.start, () => void bus.start())
    await bus.start()
    expect(await bus.exit()).toBe(0)
    expect(messages()).toEqual([
      'Bus STARTING',
      'Bus STARTED',
      'Bus STOPPING',
      'Bus STOPPED',
      'Bus EXITING',
      'Bus EXITED',
    ])
  })

  test('share one state between the views of all subscribers', async () => {
    const views: ProcessBus[] = []
    const { bus } = recordedBus({ first: (view) => views.push(view), second: (view) => views.push(view) })
    await views[0]?.start()
    expect(views[1]?.state).toBe('STARTED')
    expect(bus.state).toBe('STARTED')
    await views[1]?.exit()
    expect(views[0]?.state).toBe('EXITING')
  })
})

describe('the shutdown timeout', () => {
  test('abandons and names the listener that is running, runs the others, and returns 70', async () => {
    const { bus, messages } = recordedBus({}, { shutdownTimeout: 5 })
    const stopped = vi.fn()
    const exited = vi.fn()
    bus.subscribe(lifecycle.stop, stopped)
    bus.subscribe(lifecycle.stop, never, { name: 'hanging' })
    bus.subscribe(lifecycle.exit, exited)

    expect(await bus.exit()).toBe(70)

    expect(messages('error')).toEqual(['hanging failed on lifecycle.stop: Shutdown timed out after 5 ms'])
    expect(stopped).toHaveBeenCalled()
    expect(exited).toHaveBeenCalled()
  })

  test('gives the remaining listeners one second in total', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const { bus, messages } = recordedBus({}, { shutdownTimeout: 5_000 })
    const last = vi.fn()
    bus.subscribe(lifecycle.exit, last)
    bus.subscribe(lifecycle.stop, () => never(), { name: 'second' })
    bus.subscribe(lifecycle.stop, never, { name: 'first' })

    const exiting = bus.exit()
    await vi.advanceTimersByTimeAsync(5_999)
    expect(messages('error')).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)

    expect(await exiting).toBe(70)
    expect(messages('error')).toEqual([
      'first failed on lifecycle.stop: Shutdown timed out after 5000 ms',
      'second failed on lifecycle.stop: Shutdown timed out after 6000 ms',
      expect.stringContaining('lifecycle.exit'),
    ])
    expect(last).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('leaves no timer after an exit in time', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const { bus } = recordedBus()
    expect(await bus.exit()).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('limits a start that the exit waits for', async () => {
    const { bus, messages } = recordedBus({}, { shutdownTimeout: 5 })
    bus.subscribe(lifecycle.start, never, { name: 'hanging' })
    const starting = bus.start()
    const code = bus.exit()
    await expect(starting).rejects.toThrow(ShutdownTimeout)
    expect(await code).toBe(70)
    expect(messages('error')).toEqual([expect.stringContaining('hanging failed on lifecycle.start')])
  })

  test('limits a reload that the exit waits for', async () => {
    const { bus } = recordedBus({}, { shutdownTimeout: 5 })
    bus.subscribe(lifecycle.graceful, never)
    await bus.start()
    const reloading = bus.graceful()
    const code = bus.exit()
    await expect(reloading).rejects.toThrow(ChannelFailures)
    expect(await code).toBe(70)
  })

  test('limits a stop that was requested before the exit', async () => {
    const { bus } = recordedBus({}, { shutdownTimeout: 5 })
    bus.subscribe(lifecycle.stop, never)
    await bus.start()
    const stopping = bus.stop()
    const code = bus.exit()
    await expect(stopping).rejects.toThrow(ChannelFailures)
    expect(await code).toBe(70)
  })

  test('aborts the signal of the abandoned listener', async () => {
    const { bus } = recordedBus({}, { shutdownTimeout: 5 })
    const signals: AbortSignal[] = []
    bus.subscribe(lifecycle.stop, (_, { signal }) => {
      signals.push(signal)
      return never()
    })
    await bus.exit()
    expect(signals).toMatchObject([{ aborted: true, reason: expect.any(ShutdownTimeout) }])
  })
})

describe('the state channel', () => {
  test('publishes every transition', async () => {
    const { bus } = recordedBus()
    const states: State[] = []
    bus.subscribe(lifecycle.state, (state) => states.push(state))
    await bus.start()
    await bus.exit()
    expect(states).toEqual(['STARTING', 'STARTED', 'STOPPING', 'STOPPED', 'EXITING'])
  })

  test('neither waits for its listeners nor fails with them', async () => {
    const { bus, messages } = recordedBus()
    bus.subscribe(lifecycle.state, never)
    bus.subscribe(lifecycle.state, failing('broken'), { name: 'observer' })
    await bus.start()
    expect(bus.state).toBe('STARTED')
    expect(messages('error')).toContain('observer failed on lifecycle.state: broken')
  })
})

describe('waiting for a state', () => {
  test('resolves immediately in that state', async () => {
    const { bus } = recordedBus()
    expect(await bus.wait('STOPPED')).toBe('STOPPED')
    expect(await bus.wait(['STARTED', 'STOPPED'])).toBe('STOPPED')
  })

  test('resolves when the state is entered, and removes its listener', async () => {
    const { bus } = recordedBus()
    const waiting = bus.wait(['STARTED', 'STOPPING'])
    await bus.start()
    expect(await waiting).toBe('STARTED')
    expect(bus.topology().find(({ channel }) => channel === 'lifecycle.state')?.handlers).toEqual([])
  })

  test('rejects with the reason of its signal, and removes its abort listener', async () => {
    const { bus } = recordedBus()
    const controller = new AbortController()
    const waiting = bus.wait('STARTED', { signal: controller.signal })
    controller.abort('cancelled')
    await expect(waiting).rejects.toBe('cancelled')
    await expect(bus.wait('STARTED', { signal: controller.signal })).rejects.toBe('cancelled')
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  test('rejects if the process exits instead', async () => {
    const { bus } = recordedBus()
    const waiting = bus.wait('STARTED')
    const exiting = bus.wait('EXITING')
    void bus.exit()
    await expect(waiting).rejects.toThrow(Exiting)
    expect(await exiting).toBe('EXITING')
  })
})
