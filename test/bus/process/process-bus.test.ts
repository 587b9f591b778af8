import { getEventListeners } from 'node:events'
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

describe('wiring', () => {
  const getAnswer = request<void, number>('answer.get')
  const getQuestion = request<void, string>('question.get')

  test('start lists everything that is declared and not provided, before any start listener runs', async () => {
    const { bus, messages } = recordedBus({
      curious: (view) => void [view.requester(getAnswer), view.requester(getQuestion)],
      eager: (view) => void view.requester(getAnswer),
    })
    const listener = vi.fn()
    bus.subscribe(lifecycle.start, listener)

    const error = await bus.start().catch((error) => error)

    expect(error).toBeInstanceOf(MissingProviders)
    expect(error).toMatchObject({
      code: 'BUS_MISSING_PROVIDERS',
      message:
        'nobody provides answer.get, which curious and eager asks for; nobody provides question.get, which curious asks for',
      needs: [
        { channel: 'answer.get', usedBy: ['curious', 'eager'] },
        { channel: 'question.get', usedBy: ['curious'] },
      ],
    })
    expect(messages('error')).toEqual([`Cannot start: ${error.message}`])
    expect(listener).not.toHaveBeenCalled()
    expect(bus.state).toBe('EXITING')
  })

  test('it does not matter who comes first, the one who needs or the one who provides', async () => {
    const { bus } = recordedBus({
      curious: (view) => void view.requester(getAnswer),
      wise: (view) => void view.provide(getAnswer, () => 42),
    })
    await bus.start()
    expect(bus.state).toBe('STARTED')
  })

  test('topology says who is wired to whom, in the order of delivery', () => {
    const { bus } = recordedBus({
      curious: (view) => {
        view.requester(getAnswer)
        view.subscribe(lifecycle.start, () => {}, { name: 'late', priority: 60 })
      },
      wise: (view) => {
        view.provide(getAnswer, () => 42)
        view.subscribe(lifecycle.start, () => {})
      },
    })
    expect(bus.topology()).toEqual(
      expect.arrayContaining([
        { channel: 'answer.get', kind: 'request', handlers: [{ name: 'wise', priority: 0 }], usedBy: ['curious'] },
        {
          channel: 'lifecycle.start',
          kind: 'event',
          handlers: [
            { name: 'wise', priority: 50 },
            { name: 'late', priority: 60 },
          ],
          usedBy: ['process'],
        },
      ]),
    )
  })
})

describe('starting', () => {
  test('start runs the start listeners in order, between STARTING and STARTED', async () => {
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

  test('a failure stops the start there, then stop and exit run, and it rejects with the original error', async () => {
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

  test('a failed start does not exit with 0, though a stop was asked for meanwhile', async () => {
    const { bus } = recordedBus()
    const release = Promise.withResolvers<void>()
    bus.subscribe(lifecycle.start, () => release.promise)
    const starting = bus.start()
    const stopping = bus.stop()
    release.reject(new Error('boom'))
    await expect(starting).rejects.toThrow('boom')
    await stopping
    expect(await bus.exit()).toBe(70)
  })

  test('a start listener that takes longer than its timeout fails the start', async () => {
    const { bus } = recordedBus()
    bus.subscribe(lifecycle.start, never, { timeout: 1, name: 'slow' })
    await expect(bus.start()).rejects.toThrow('slow did not finish lifecycle.start within 1 ms')
  })
})

describe('stopping', () => {
  test('stop listeners run in reverse order of subscription within a priority, and all run whatever fails', async () => {
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

  test('a stopped process starts again', async () => {
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
  test('exit stops, also what was never started, then runs the exit listeners in reverse', async () => {
    const { bus } = recordedBus()
    const steps: string[] = []
    bus.subscribe(lifecycle.stop, () => steps.push('stop'))
    bus.subscribe(lifecycle.exit, () => steps.push('first'))
    bus.subscribe(lifecycle.exit, () => steps.push(`second while ${bus.state}`))

    expect(await bus.exit()).toBe(0)
    expect(steps).toEqual(['stop', 'second while EXITING', 'first'])
  })

  test.for(['stop', 'exit'] as const)('the code is 70 if the %s listener failed', async (channel) => {
    const { bus } = recordedBus()
    bus.subscribe(lifecycle[channel], failing('stuck'))
    expect(await bus.exit()).toBe(70)
  })

  test('the code is 70 if a stop listener timed out', async () => {
    const { bus } = recordedBus()
    bus.subscribe(lifecycle.stop, never, { timeout: 1 })
    expect(await bus.exit()).toBe(70)
  })

  test('the code is the one that exit was called with, the first other than 0', async () => {
    const { bus } = recordedBus()
    bus.subscribe(lifecycle.exit, failing('stuck'))
    const codes = [bus.exit(), bus.exit(3), bus.exit(4)]
    expect(await Promise.all(codes)).toEqual([3, 3, 3])
  })

  test('it never ends the process itself', async () => {
    const exit = vi.spyOn(process, 'exit')
    await new ProcessBus().exit()
    expect(exit).not.toHaveBeenCalled()
    exit.mockRestore()
  })
})

describe('reloading', () => {
  test('graceful runs when STARTED, and answers with what the listeners said', async () => {
    const { bus, messages } = recordedBus()
    bus.subscribe(lifecycle.graceful, () => 'reloaded')
    await bus.start()
    expect(await bus.graceful()).toEqual(['reloaded'])
    expect(messages()).toEqual(['Bus STARTING', 'Bus STARTED', 'Bus graceful'])
    expect(bus.state).toBe('STARTED')
  })

  test('in any other state it does nothing', async () => {
    const { bus } = recordedBus()
    const listener = vi.fn()
    bus.subscribe(lifecycle.graceful, listener)
    expect(await bus.graceful()).toEqual([])
    await bus.exit()
    expect(await bus.graceful()).toEqual([])
    expect(listener).not.toHaveBeenCalled()
  })

  test('it leaves the state alone when a listener fails', async () => {
    const { bus } = recordedBus()
    bus.subscribe(lifecycle.graceful, failing('unreadable'))
    await bus.start()
    await expect(bus.graceful()).rejects.toThrow(ChannelFailures)
    expect(bus.state).toBe('STARTED')
  })

  test('a second reload waits for the first, which may have begun before the change', async () => {
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

  test('reloads that wait for the same turn are one, and a later one is another', async () => {
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

describe('transitions', () => {
  test('a second start while STARTING is given the promise of the running one', async () => {
    const { bus } = recordedBus()
    const listener = vi.fn(async () => {})
    bus.subscribe(lifecycle.start, listener)
    const first = bus.start()
    expect(bus.start()).toBe(first)
    await first
    expect(listener).toHaveBeenCalledTimes(1)
  })

  test('start when STARTED does nothing, and after an exit it rejects', async () => {
    const { bus, messages } = recordedBus()
    await bus.start()
    await bus.start()
    expect(messages()).toEqual(['Bus STARTING', 'Bus STARTED'])
    await bus.exit()
    await expect(bus.start()).rejects.toThrow(Exiting)
  })

  test('it can be seen that an exit waits for another transition', async () => {
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

  test('exit while EXITING, and after it, is given the promise of the running one', async () => {
    const { bus, messages } = recordedBus()
    const first = bus.exit()
    expect(bus.exit()).toBe(first)
    await first
    expect(bus.exit()).toBe(first)
    expect(messages().filter((message) => message === 'Bus EXITING')).toHaveLength(1)
  })

  test('exit during STARTING lets the current listener finish, skips those to come, and start rejects', async () => {
    const { bus, messages } = recordedBus()
    const release = Promise.withResolvers<void>()
    const toCome = vi.fn()
    bus.subscribe(lifecycle.start, async () => {
      await release.promise
      bus.log('info', 'finished')
    })
    bus.subscribe(lifecycle.start, toCome)

    const starting = bus.start()
    const exiting = bus.exit()
    release.resolve()

    await expect(starting).rejects.toThrow(Exiting)
    expect(await exiting).toBe(70)
    expect(toCome).not.toHaveBeenCalled()
    expect(messages()).toEqual(['Bus STARTING', 'finished', 'Bus STOPPING', 'Bus STOPPED', 'Bus EXITING', 'Bus EXITED'])
  })

  test('an exit that comes with the last start listener does not let the process become STARTED', async () => {
    const { bus, messages } = recordedBus()
    bus.subscribe(lifecycle.start, () => void bus.exit())
    await expect(bus.start()).rejects.toThrow(Exiting)
    expect(messages()).not.toContain('Bus STARTED')
  })

  test('they never overlap, in whatever order they are asked for', async () => {
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

  test('a listener that asks for the transition it is in does not begin another', async () => {
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

  test('the views that subscribers are handed share one state', async () => {
    const views: ProcessBus[] = []
    const { bus } = recordedBus({ one: (view) => views.push(view), other: (view) => views.push(view) })
    await views[0]?.start()
    expect(views[1]?.state).toBe('STARTED')
    expect(bus.state).toBe('STARTED')
    await views[1]?.exit()
    expect(views[0]?.state).toBe('EXITING')
  })
})

describe('the bound of an exit', () => {
  test('the listener that runs when it passes is named and left, the others still run, and the code is 70', async () => {
    const { bus, messages } = recordedBus({}, { shutdownTimeout: 5 })
    const stopped = vi.fn()
    const exited = vi.fn()
    bus.subscribe(lifecycle.stop, stopped)
    bus.subscribe(lifecycle.stop, never, { name: 'hanging' })
    bus.subscribe(lifecycle.exit, exited)

    expect(await bus.exit()).toBe(70)

    expect(messages('error')).toEqual(['hanging failed on lifecycle.stop: out of time after 5 ms of shutdown'])
    expect(stopped).toHaveBeenCalled()
    expect(exited).toHaveBeenCalled()
  })

  test('those not yet run share one last second', async () => {
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
      'first failed on lifecycle.stop: out of time after 5000 ms of shutdown',
      'second failed on lifecycle.stop: out of time after 6000 ms of shutdown',
      expect.stringContaining('lifecycle.exit'),
    ])
    expect(last).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('an exit in time leaves no timer that would keep the process alive', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const { bus } = recordedBus()
    expect(await bus.exit()).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('it covers a start that the exit waits for', async () => {
    const { bus, messages } = recordedBus({}, { shutdownTimeout: 5 })
    bus.subscribe(lifecycle.start, never, { name: 'hanging' })
    const starting = bus.start()
    const code = bus.exit()
    await expect(starting).rejects.toThrow(ShutdownTimeout)
    expect(await code).toBe(70)
    expect(messages('error')).toEqual([expect.stringContaining('hanging failed on lifecycle.start')])
  })

  test('it covers a reload that the exit waits for', async () => {
    const { bus } = recordedBus({}, { shutdownTimeout: 5 })
    bus.subscribe(lifecycle.graceful, never)
    await bus.start()
    const reloading = bus.graceful()
    const code = bus.exit()
    await expect(reloading).rejects.toThrow(ChannelFailures)
    expect(await code).toBe(70)
  })

  test('it covers a stop that was asked for before', async () => {
    const { bus } = recordedBus({}, { shutdownTimeout: 5 })
    bus.subscribe(lifecycle.stop, never)
    await bus.start()
    const stopping = bus.stop()
    const code = bus.exit()
    await expect(stopping).rejects.toThrow(ChannelFailures)
    expect(await code).toBe(70)
  })

  test('a listener sees in its signal that it is left', async () => {
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

describe('what is told of transitions', () => {
  test('every transition is published on lifecycle.state', async () => {
    const { bus } = recordedBus()
    const states: State[] = []
    bus.subscribe(lifecycle.state, (state) => states.push(state))
    await bus.start()
    await bus.exit()
    expect(states).toEqual(['STARTING', 'STARTED', 'STOPPING', 'STOPPED', 'EXITING'])
  })

  test('nobody who hears of it holds a transition up, or fails it', async () => {
    const { bus, messages } = recordedBus()
    bus.subscribe(lifecycle.state, never)
    bus.subscribe(lifecycle.state, failing('not interested'), { name: 'bored' })
    await bus.start()
    expect(bus.state).toBe('STARTED')
    expect(messages('error')).toContain('bored failed on lifecycle.state: not interested')
  })
})

describe('waiting for a state', () => {
  test('it resolves at once when already there', async () => {
    const { bus } = recordedBus()
    expect(await bus.wait('STOPPED')).toBe('STOPPED')
    expect(await bus.wait(['STARTED', 'STOPPED'])).toBe('STOPPED')
  })

  test('it resolves when the state comes, and leaves no listener', async () => {
    const { bus } = recordedBus()
    const waiting = bus.wait(['STARTED', 'STOPPING'])
    await bus.start()
    expect(await waiting).toBe('STARTED')
    expect(bus.topology().find(({ channel }) => channel === 'lifecycle.state')?.handlers).toEqual([])
  })

  test('it rejects with the reason of its signal, and leaves nothing on it', async () => {
    const { bus } = recordedBus()
    const controller = new AbortController()
    const waiting = bus.wait('STARTED', { signal: controller.signal })
    controller.abort('too long')
    await expect(waiting).rejects.toBe('too long')
    await expect(bus.wait('STARTED', { signal: controller.signal })).rejects.toBe('too long')
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  test('it rejects when the process exits instead', async () => {
    const { bus } = recordedBus()
    const waiting = bus.wait('STARTED')
    const exiting = bus.wait('EXITING')
    void bus.exit()
    await expect(waiting).rejects.toThrow(Exiting)
    expect(await exiting).toBe('EXITING')
  })
})
