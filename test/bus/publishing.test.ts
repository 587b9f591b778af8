import { getEventListeners } from 'node:events'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Bus } from '../../src/bus/bus.ts'
import { event } from '../../src/bus/channel.ts'
import { ChannelFailures, DuplicateChannel, ListenerTimeout } from '../../src/bus/errors.ts'
import { lifecycle } from '../../src/bus/process/lifecycle.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'

const never = () => new Promise<never>(() => {})

describe('publishing', () => {
  test('a channel with no listeners answers with an empty list', async () => {
    expect(await new Bus().publish(event<string>('greeting'), 'hello')).toEqual([])
  })

  test('listeners run lowest priority first, 50 when not given, 0 honoured, ties in the order of subscription', async () => {
    const bus = new Bus()
    const channel = event<void, string>('greeting')
    bus.subscribe(channel, () => 'late', { priority: 51 })
    bus.subscribe(channel, () => 'default')
    bus.subscribe(channel, () => 'tie', { priority: 50 })
    bus.subscribe(channel, () => 'zero', { priority: 0 })
    bus.subscribe(channel, () => 'negative', { priority: -1 })

    expect(await bus.publish(channel)).toEqual(['negative', 'zero', 'default', 'tie', 'late'])
  })

  test('each listener is awaited before the next, and outputs keep that order, undefined included', async () => {
    const bus = new Bus()
    const channel = event<string>('greeting')
    const steps: string[] = []
    bus.subscribe(channel, async () => {
      steps.push('first begins')
      await Promise.resolve()
      steps.push('first ends')
      return 1
    })
    bus.subscribe(channel, () => {
      steps.push('second')
    })
    bus.subscribe(channel, async (payload) => payload)

    expect(await bus.publish(channel, 'hello')).toEqual([1, undefined, 'hello'])
    expect(steps).toEqual(['first begins', 'first ends', 'second'])
  })

  test('a reversed channel delivers in reverse order of subscription within a priority', async () => {
    const bus = new Bus()
    const channel = event<void, string>('teardown', { reversed: true })
    bus.subscribe(channel, () => 'first')
    bus.subscribe(channel, () => 'second')
    bus.subscribe(channel, () => 'early', { priority: 10 })

    expect(await bus.publish(channel)).toEqual(['early', 'second', 'first'])
  })

  test('a concurrent channel starts all listeners at once, and outputs keep the order of delivery', async () => {
    const bus = new Bus()
    const channel = event<void, string>('check', { concurrent: true })
    const second = Promise.withResolvers<void>()
    bus.subscribe(channel, async () => {
      await second.promise
      return 'first'
    })
    bus.subscribe(channel, () => {
      second.resolve()
      return 'second'
    })

    expect(await bus.publish(channel)).toEqual(['first', 'second'])
  })

  test.for([false, true])('a failing listener keeps no other from running (concurrent: %s)', async (concurrent) => {
    const { bus, records } = recordedBus()
    const channel = event<string>('greeting', { concurrent })
    const thrown = new Error('thrown')
    const rejected = { not: 'an error' }
    bus.subscribe(channel, () => Promise.reject(rejected), { name: 'rejecting' })
    bus.subscribe(channel, () => 'fine')
    bus.subscribe(
      channel,
      () => {
        throw thrown
      },
      { name: 'throwing' },
    )
    bus.subscribe(channel, async () => undefined)

    const failures = await bus.publish(channel, 'hello').catch((error: unknown) => error)

    expect(failures).toBeInstanceOf(ChannelFailures)
    expect(failures).toBeInstanceOf(AggregateError)
    expect(failures).toMatchObject({
      code: 'BUS_CHANNEL_FAILURES',
      channel: 'greeting',
      errors: [rejected, thrown],
      failures: [
        { listener: 'rejecting', error: rejected },
        { listener: 'throwing', error: thrown },
      ],
      outputs: ['fine', undefined],
      message: 'greeting failed: rejecting: [object]; throwing: thrown',
    })
    expect(records).toMatchObject([
      { level: 'error', fields: { channel: 'greeting', listener: expect.any(String) } },
      { level: 'error', fields: { channel: 'greeting', listener: expect.any(String) } },
    ])
  })

  test('a failure is logged when it happens, with the id of the call, while others still run', async () => {
    const { bus, records } = recordedBus()
    const channel = event('greeting')
    const release = Promise.withResolvers<void>()
    bus.subscribe(
      channel,
      () => {
        throw new Error('broken')
      },
      { name: 'first' },
    )
    bus.subscribe(channel, () => release.promise)

    const published = bus.publish(channel, undefined, { id: 'call-1' })

    expect(records).toMatchObject([
      { level: 'error', message: 'first failed on greeting: broken', fields: { reqId: 'call-1', listener: 'first' } },
    ])
    release.resolve()
    await expect(published).rejects.toThrow(ChannelFailures)
  })

  test('a failure on a concurrent channel waits for its turn without counting as unhandled', async () => {
    const { bus } = recordedBus()
    const channel = event('check', { concurrent: true })
    const release = Promise.withResolvers<void>()
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    bus.subscribe(channel, () => release.promise)
    bus.subscribe(channel, () => Promise.reject(new Error('early')))

    const published = bus.publish(channel)
    await new Promise(setImmediate)
    release.resolve()

    await expect(published).rejects.toThrow('early')
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('subscribing the same function again runs it once, with the new options', async () => {
    const bus = new Bus()
    const channel = event<void, string>('greeting')
    const listener = vi.fn(() => 'twice')
    const unsubscribe = bus.subscribe(channel, listener)
    bus.subscribe(channel, () => 'other')
    bus.subscribe(channel, listener, { priority: 60 })

    expect(await bus.publish(channel)).toEqual(['other', 'twice'])
    expect(listener).toHaveBeenCalledTimes(1)

    unsubscribe()
    expect(await bus.publish(channel)).toEqual(['other'])
  })

  test('unsubscribing what is not there is silent', async () => {
    const bus = new Bus()
    const channel = event<void, string>('greeting')
    const unsubscribe = bus.subscribe(channel, () => 'gone')
    bus.subscribe(channel, () => 'stays')

    unsubscribe()
    unsubscribe()

    expect(await bus.publish(channel)).toEqual(['stays'])
  })

  test('subscribing or unsubscribing during a publish changes the next one, not this one', async () => {
    const bus = new Bus()
    const channel = event<void, string>('greeting')
    bus.subscribe(channel, () => {
      unsubscribe()
      bus.subscribe(channel, newcomer)
      return 'changes'
    })
    const unsubscribe = bus.subscribe(channel, () => 'leaves')
    const newcomer = () => 'comes'

    expect(await bus.publish(channel)).toEqual(['changes', 'leaves'])
    expect(await bus.publish(channel)).toEqual(['changes', 'comes'])
  })

  test('subscribing a listener again during a publish leaves that publish as it began', async () => {
    const bus = new Bus()
    const channel = event('greeting')
    const called: string[] = []
    bus.tap(({ by }) => called.push(by))
    const second = () => {}
    bus.subscribe(channel, () => void bus.subscribe(channel, second, { name: 'renamed' }), { name: 'first' })
    bus.subscribe(channel, second, { name: 'second' })

    await bus.publish(channel)
    await bus.publish(channel)

    expect(called).toEqual(['first', 'second', 'first', 'renamed'])
  })

  test('a nested publish that fails is one error of the outer one, and is logged once, where it happened', async () => {
    const { bus, messages } = recordedBus()
    const outer = event('outer')
    const inner = event('inner')
    bus.subscribe(
      inner,
      () => {
        throw new Error('deep')
      },
      { name: 'culprit' },
    )
    bus.subscribe(outer, () => bus.publish(inner), { name: 'middle' })

    const failures = await bus.publish(outer).catch((error) => error)

    expect(failures.errors).toEqual([expect.objectContaining({ channel: 'inner' })])
    expect(messages('error')).toEqual(['culprit failed on inner: deep'])
  })

  test('a listener that takes longer than its timeout fails with ListenerTimeout, and the others go on', async () => {
    const { bus, messages } = recordedBus()
    const channel = event<void, string>('greeting')
    bus.subscribe(channel, never, { timeout: 1, name: 'slow' })
    bus.subscribe(channel, async () => 'done', { timeout: 10_000 })

    const failures = await bus.publish(channel).catch((error) => error)

    expect(failures.errors[0]).toBeInstanceOf(ListenerTimeout)
    expect(failures).toMatchObject({ errors: [{ code: 'BUS_LISTENER_TIMEOUT' }], outputs: ['done'] })
    expect(messages('error')).toEqual(['slow failed on greeting: slow did not finish greeting within 1 ms'])
  })

  test("listeners are handed the publisher's id, and its deadline bounds each of them", async () => {
    vi.useFakeTimers() // a real timer may fire a moment before the wall clock says so
    onTestFinished(() => void vi.useRealTimers())
    const { bus } = recordedBus()
    const channel = event('greeting')
    const heard = vi.fn()
    const deadline = Date.now() + 5
    bus.subscribe(channel, (_, call) => {
      heard(call.id, call.deadline)
      return never()
    })
    bus.subscribe(channel, heard)

    const published = bus.publish(channel, undefined, { id: 'call-1', deadline }).catch((error) => error)
    await vi.advanceTimersByTimeAsync(5)
    const failures = await published

    expect(heard.mock.calls).toEqual([['call-1', deadline]])
    expect(failures.errors).toEqual([expect.any(ListenerTimeout), expect.any(ListenerTimeout)])
  })

  test("the publisher's signal ends each of them with its own reason, and leaves nothing on it", async () => {
    const { bus } = recordedBus()
    const channel = event('greeting')
    const controller = new AbortController()
    const reason = new Error('enough')
    const seen: AbortSignal[] = []
    bus.subscribe(channel, (_, { signal }) => {
      seen.push(signal)
      return never()
    })
    bus.subscribe(channel, vi.fn(), { name: 'not called' })

    const published = bus.publish(channel, undefined, { signal: controller.signal })
    controller.abort(reason)
    const failures = await published.catch((error) => error)

    expect(failures.errors).toEqual([reason, reason])
    expect(seen).toMatchObject([{ aborted: true, reason }])
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  test('a priority or a timeout that is none is refused', () => {
    const bus = new Bus()
    const channel = event('greeting')
    expect(() => bus.subscribe(channel, () => {}, { priority: Number.NaN })).toThrow(RangeError)
    expect(() => bus.subscribe(channel, () => {}, { timeout: -1 })).toThrow(RangeError)
    expect(() => bus.subscribe(channel, () => {}, { timeout: Number.NaN })).toThrow(RangeError)
  })
})

describe('channels', () => {
  test('names are any string', async () => {
    const bus = new Bus()
    const names = ['*', '__proto__', 'constructor', '', 'with space']
    const channels = names.map((name) => event<void, string>(name))
    for (const channel of channels) bus.subscribe(channel, () => channel.name)

    for (const channel of channels) expect(await bus.publish(channel)).toEqual([channel.name])
    expect(await bus.publish(event('other'))).toEqual([])
    expect(bus.topology().map(({ channel }) => channel)).toEqual(names)
  })

  test('a second channel object of a known name is refused, wherever it is used', async () => {
    const bus = new Bus()
    bus.subscribe(event('greeting'), () => {})
    const double = event('greeting')

    expect(() => bus.subscribe(double, () => {})).toThrow(DuplicateChannel)
    expect(() => bus.publisher(double)).toThrow('there is another channel named greeting; is the package loaded twice?')
    await expect(bus.publish(double)).rejects.toThrow(DuplicateChannel)
  })
})

describe('the log of the bus', () => {
  test('its sinks are called synchronously', () => {
    const { bus, records } = recordedBus()
    bus.log('info', 'hello', { answer: 42 })
    expect(records).toEqual([{ level: 'info', message: 'hello', fields: { answer: 42 } }])
  })

  test('a sink that throws or rejects neither stops the others, nor is logged, nor throws', async () => {
    const { bus, records } = recordedBus()
    const last = vi.fn()
    bus.subscribe(
      lifecycle.log,
      () => {
        throw new Error('disk full')
      },
      { priority: 1 },
    )
    bus.subscribe(lifecycle.log, () => Promise.reject(new Error('unreachable')), { priority: 2 })
    bus.subscribe(lifecycle.log, last, { priority: 99 })

    bus.log('info', 'hello')
    await new Promise(setImmediate)

    expect(records).toHaveLength(1)
    expect(last).toHaveBeenCalledTimes(1)
  })

  test('with no sink at all, warnings and errors go to stderr', () => {
    const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const bus = new Bus()
    for (const level of ['debug', 'info', 'warn', 'error', 'fatal'] as const) bus.log(level, 'hello')
    const written = stderr.mock.calls.map(([text]) => text)
    stderr.mockRestore()

    expect(written).toEqual(['warn: hello\n', 'error: hello\n', 'fatal: hello\n'])
  })
})
