import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type EventChannel, event } from '../../src/bus/channel.ts'
import { lifecycle } from '../../src/bus/process/lifecycle.ts'
import { httpListening, httpRoutes, locateDynamodb } from '../../src/channels.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'

beforeEach(() => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
})

describe('a pending listener', () => {
  // Their payloads do not matter here.
  const channels = [lifecycle.start, lifecycle.graceful, httpRoutes, httpListening, locateDynamodb]
  test.each(channels as EventChannel<void, unknown>[])(
    'on $name is named in the log, at growing intervals',
    async (channel) => {
      const { bus, messages } = recordedBus()
      const { promise, resolve } = Promise.withResolvers<void>()
      bus.use('sloth', (view) => view.subscribe(channel, () => promise))
      const published = bus.publish(channel)
      const warning = (seconds: number) => `Still waiting for sloth on ${channel.name}, ${seconds} s so far`

      await vi.advanceTimersByTimeAsync(9_999)
      expect(messages()).toEqual([])
      await vi.advanceTimersByTimeAsync(80_001)
      expect(messages('warn')).toEqual([10, 20, 40, 80].map(warning))

      resolve()
      await published
      expect(vi.getTimerCount()).toBe(0)
    },
  )

  test('is not named on other channels, which need no timer', () => {
    const { bus } = recordedBus()
    const other = event('other')
    bus.subscribe(other, () => new Promise(() => {}))
    void bus.publish(other)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is named on the start of a process, and no longer once the process exits', async () => {
    const { bus, messages } = recordedBus({
      sloth: (view) => view.subscribe(lifecycle.start, () => new Promise(() => {})),
    })
    const started = bus.start().catch(String)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(messages('warn')).toEqual(['Still waiting for sloth on lifecycle.start, 10 s so far'])

    const exited = bus.exit()
    await vi.advanceTimersByTimeAsync(10_000)

    expect(await exited).toBe(70)
    expect(await started).toMatch(/Shutdown timed out/)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a reload listener that never settles', () => {
  const never = () => new Promise<never>(() => {})

  test('is named and abandoned at the timeout; the others reload, and so does the next reload', async () => {
    const reloaded = vi.fn(() => 'reloaded')
    const { bus, messages } = recordedBus({
      sloth: (view) => view.subscribe(lifecycle.graceful, never),
      cache: (view) => view.subscribe(lifecycle.graceful, reloaded),
    })
    await bus.start()

    const [first, second] = [bus.gracefulSettled(), bus.gracefulSettled()]
    await vi.advanceTimersByTimeAsync(30_000)

    const failure = 'sloth did not finish lifecycle.graceful within 30000 ms'
    expect(await first).toEqual([
      { handler: 'sloth', status: 'rejected', reason: expect.objectContaining({ message: failure }) },
      { handler: 'cache', status: 'fulfilled', value: 'reloaded' },
    ])
    expect(messages('error')).toEqual([`sloth failed on lifecycle.graceful: ${failure}`])
    await vi.advanceTimersByTimeAsync(30_000)
    expect(await second).toMatchObject([{ status: 'rejected' }, { status: 'fulfilled' }])
    expect(reloaded).toHaveBeenCalledTimes(2)
    expect(bus.state).toBe('STARTED')
  })

  test('delays neither a transition nor an exit by listening to the state', async () => {
    const { bus } = recordedBus({ sloth: (view) => view.subscribe(lifecycle.state, never) })
    await bus.start()
    expect(await bus.graceful()).toEqual([])
    expect(await bus.exit()).toBe(0)
  })
})
