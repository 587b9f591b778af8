import { getEventListeners } from 'node:events'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Bus } from '../../src/bus/bus.ts'
import { event } from '../../src/bus/channel.ts'
import { ChannelFailures, DuplicateChannel, ListenerTimeout } from '../../src/bus/errors.ts'
import { lifecycle } from '../../src/bus/process/lifecycle.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'

const never = () => new Promise<never>(() => {})

describe('subscribing', () => {
  test.each([undefined, null, 'text', {}, [], 1n, Promise.resolve()])('fails at once for %s', (value) => {
    const channel = event('greeting')
    const listener = value as () => void // a mistake that only JavaScript permits
    const bus = recordedBus().bus
    const received = value === null ? 'null' : typeof value

    const message = `listener of greeting must be a function, received ${received}`
    expect(() => bus.subscribe(channel, listener)).toThrow(new TypeError(message))
    expect(() => bus.use('shop', listener)).toThrow(`subscriber shop must be a function, received ${received}`)
    expect(() => bus.tap(listener)).toThrow(`observer must be a function, received ${received}`)
    expect(bus.topology().find(({ channel }) => channel === 'greeting')).toBeUndefined()
  })

  test('costs the same for each listener, regardless of their number', () => {
    const appended = vi.spyOn(Array.prototype, 'push')
    onTestFinished(() => void appended.mockRestore())
    const sorted = vi.spyOn(Array.prototype, 'sort')
    onTestFinished(() => void sorted.mockRestore())
    const compared = vi.spyOn(Array.prototype, 'find')
    onTestFinished(() => void compared.mockRestore())
    const bus = new Bus()
    const channel = event('greeting')

    for (let count = 0; count < 1_000; count += 1) bus.subscribe(channel, () => {})

    expect(appended.mock.calls.length).toBeLessThan(10_000)
    expect(sorted).not.toHaveBeenCalled()
    expect(compared).not.toHaveBeenCalled()
  })

  test('does not remove a function that was subscribed again', async () => {
    const bus = new Bus()
    const channel = event<void, string>('greeting')
    const listener = () => 'hello'
    const first = bus.subscribe(channel, listener)
    first()
    const second = bus.subscribe(channel, listener)

    first()

    expect(await bus.publish(channel)).toEqual(['hello'])
    second()
    expect(await bus.publish(channel)).toEqual([])
  })
})

describe('publishing', () => {
  test('returns an empty array without listeners', async () => {
    expect(await new Bus().publish(event<string>('greeting'), 'hello')).toEqual([])
  })

  test('calls listeners in order of priority, 50 by default, and of subscription within a priority', async () => {
    const bus = new Bus()
    const channel = event<void, string>('greeting')
    bus.subscribe(channel, () => 'late', { priority: 51 })
    bus.subscribe(channel, () => 'default')
    bus.subscribe(channel, () => 'tie', { priority: 50 })
    bus.subscribe(channel, () => 'zero', { priority: 0 })
    bus.subscribe(channel, () => 'negative', { priority: -1 })

    expect(await bus.publish(channel)).toEqual(['negative', 'zero', 'default', 'tie', 'late'])
  })

  test('awaits each listener before the next, and returns outputs in that order, including undefined', async () => {
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

  test('delivers in reverse order of subscription within a priority on a reversed channel', async () => {
    const bus = new Bus()
    const channel = event<void, string>('teardown', { reversed: true })
    bus.subscribe(channel, () => 'first')
    bus.subscribe(channel, () => 'second')
    bus.subscribe(channel, () => 'early', { priority: 10 })

    expect(await bus.publish(channel)).toEqual(['early', 'second', 'first'])
  })

  test('starts all listeners at once on a concurrent channel, and returns ordered outputs', async () => {
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

  test.for([false, true])('runs the other listeners if one fails (concurrent: %s)', async (concurrent) => {
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

  test('logs a failure immediately, with the id of the call, while other listeners still run', async () => {
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

  test('does not report an early failure on a concurrent channel as an unhandled rejection', async () => {
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

  test('calls a function that is subscribed twice once, with the latest options', async () => {
    const bus = new Bus()
    const channel = event<void, string>('greeting')
    const listener = vi.fn(() => 'subscribed twice')
    const unsubscribe = bus.subscribe(channel, listener)
    bus.subscribe(channel, () => 'other')
    bus.subscribe(channel, listener, { priority: 60 })

    expect(await bus.publish(channel)).toEqual(['other', 'subscribed twice'])
    expect(listener).toHaveBeenCalledTimes(1)

    unsubscribe()
    expect(await bus.publish(channel)).toEqual(['other'])
  })

  test('ignores a repeated unsubscribe', async () => {
    const bus = new Bus()
    const channel = event<void, string>('greeting')
    const unsubscribe = bus.subscribe(channel, () => 'removed')
    bus.subscribe(channel, () => 'remains')

    unsubscribe()
    unsubscribe()

    expect(await bus.publish(channel)).toEqual(['remains'])
  })

  test('applies subscriptions and removals made during a publish to the next publish only', async () => {
    const bus = new Bus()
    const channel = event<void, string>('greeting')
    bus.subscribe(channel, () => {
      unsubscribe()
      bus.subscribe(channel, added)
      return 'changes'
    })
    const unsubscribe = bus.subscribe(channel, () => 'removed')
    const added = () => 'added'

    expect(await bus.publish(channel)).toEqual(['changes', 'removed'])
    expect(await bus.publish(channel)).toEqual(['changes', 'added'])
  })

  test('applies options updated during a publish to the next publish only', async () => {
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

  test('counts a failed nested publish as one error of the outer publish, and logs it once', async () => {
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

  test('fails a listener that exceeds its timeout with ListenerTimeout, and runs the others', async () => {
    const { bus, messages } = recordedBus()
    const channel = event<void, string>('greeting')
    bus.subscribe(channel, never, { timeout: 1, name: 'slow' })
    bus.subscribe(channel, async () => 'done', { timeout: 10_000 })

    const failures = await bus.publish(channel).catch((error) => error)

    expect(failures.errors[0]).toBeInstanceOf(ListenerTimeout)
    expect(failures).toMatchObject({ errors: [{ code: 'BUS_LISTENER_TIMEOUT' }], outputs: ['done'] })
    expect(messages('error')).toEqual(['slow failed on greeting: slow did not finish greeting within 1 ms'])
  })

  test("passes the publisher's id to the listeners, and limits each of them to its deadline", async () => {
    vi.useFakeTimers() // a real timer may fire before the wall clock reaches the deadline
    onTestFinished(() => void vi.useRealTimers())
    const { bus } = recordedBus()
    const channel = event('greeting')
    const listener = vi.fn()
    const deadline = Date.now() + 5
    bus.subscribe(channel, (_, call) => {
      listener(call.id, call.deadline)
      return never()
    })
    bus.subscribe(channel, listener)

    const published = bus.publish(channel, undefined, { id: 'call-1', deadline }).catch((error) => error)
    await vi.advanceTimersByTimeAsync(5)
    const failures = await published

    expect(listener.mock.calls).toEqual([['call-1', deadline]])
    expect(failures.errors).toEqual([expect.any(ListenerTimeout), expect.any(ListenerTimeout)])
  })

  test("rejects every listener with the reason of the publisher's signal, and unsubscribes from it", async () => {
    const { bus } = recordedBus()
    const channel = event('greeting')
    const controller = new AbortController()
    const reason = new Error('cancelled')
    const signals: AbortSignal[] = []
    bus.subscribe(channel, (_, { signal }) => {
      signals.push(signal)
      return never()
    })
    bus.subscribe(channel, vi.fn(), { name: 'not called' })

    const published = bus.publish(channel, undefined, { signal: controller.signal })
    controller.abort(reason)
    const failures = await published.catch((error) => error)

    expect(failures.errors).toEqual([reason, reason])
    expect(signals).toMatchObject([{ aborted: true, reason }])
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  test('rejects an invalid priority or timeout', () => {
    const bus = new Bus()
    const channel = event('greeting')
    expect(() => bus.subscribe(channel, () => {}, { priority: Number.NaN })).toThrow(RangeError)
    expect(() => bus.subscribe(channel, () => {}, { timeout: -1 })).toThrow(RangeError)
    expect(() => bus.subscribe(channel, () => {}, { timeout: Number.NaN })).toThrow(RangeError)
  })
})

describe('publishSettled', () => {
  test('returns an empty array without listeners', async () => {
    expect(await new Bus().publishSettled(event<string>('greeting'), 'hello')).toEqual([])
  })

  test.for([false, true])(
    'names each handler with its status and its value or reason (concurrent: %s)',
    async (concurrent) => {
      const { bus } = recordedBus()
      const channel = event<string, string | undefined>('greeting', { concurrent })
      const thrown = new Error('thrown')
      const rejected = { not: 'an error' }
      const throwing = () => {
        throw thrown
      }
      bus.subscribe(channel, () => Promise.reject(rejected), { name: 'rejecting' })
      bus.use('polite', (view) => view.subscribe(channel, (name) => `hello ${name}`))
      bus.subscribe(channel, throwing)
      bus.subscribe(channel, async () => undefined, { name: 'silent' })

      expect(await bus.publishSettled(channel, 'you')).toEqual([
        { handler: 'rejecting', status: 'rejected', reason: rejected },
        { handler: 'polite', status: 'fulfilled', value: 'hello you' },
        { handler: 'throwing', status: 'rejected', reason: thrown },
        { handler: 'silent', status: 'fulfilled', value: undefined },
      ])
    },
  )

  test('awaits each listener before the next, in the order of priority', async () => {
    const { bus } = recordedBus()
    const channel = event<void, string>('greeting')
    const steps: string[] = []
    bus.subscribe(channel, () => `${steps.push('last')}`, { name: 'last', priority: 60 })
    bus.subscribe(
      channel,
      async () => {
        steps.push('first begins')
        await Promise.resolve()
        steps.push('first fails')
        throw new Error('broken')
      },
      { name: 'first' },
    )

    const outcomes = await bus.publishSettled(channel)

    expect(outcomes.map(({ handler, status }) => `${handler} ${status}`)).toEqual(['first rejected', 'last fulfilled'])
    expect(steps).toEqual(['first begins', 'first fails', 'last'])
  })

  test('starts all listeners at once on a concurrent channel, and keeps the order of delivery', async () => {
    const { bus } = recordedBus()
    const channel = event<void, string>('check', { concurrent: true })
    const second = Promise.withResolvers<void>()
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    bus.subscribe(channel, async () => {
      await second.promise
      await new Promise(setImmediate) // by now an unhandled rejection would have been reported
      return 'first'
    })
    bus.subscribe(channel, () => {
      second.resolve()
      return Promise.reject(new Error('early'))
    })

    const outcomes = await bus.publishSettled(channel)

    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(unhandled).not.toHaveBeenCalled()
  })

  test("reports a listener that exceeds its own timeout or the publisher's deadline", async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const { bus } = recordedBus()
    const channel = event<void, string>('check', { concurrent: true })
    bus.subscribe(channel, never, { timeout: 1, name: 'slow' })
    bus.subscribe(channel, () => never(), { name: 'hanging' })
    bus.subscribe(channel, () => 'done', { name: 'quick' })

    const published = bus.publishSettled(channel, undefined, { deadline: Date.now() + 5 })
    await vi.advanceTimersByTimeAsync(5)

    expect(await published).toEqual([
      { handler: 'slow', status: 'rejected', reason: new ListenerTimeout('check', 'slow', 1) },
      { handler: 'hanging', status: 'rejected', reason: new ListenerTimeout('check', 'hanging', 5) },
      { handler: 'quick', status: 'fulfilled', value: 'done' },
    ])
  })

  test("passes the publisher's call on, and reports the reason of its signal", async () => {
    const { bus } = recordedBus()
    const channel = event<void, never>('greeting')
    const controller = new AbortController()
    const ids: unknown[] = []
    bus.subscribe(
      channel,
      (_, { id }) => {
        ids.push(id)
        return never()
      },
      { name: 'aborted' },
    )

    const published = bus.publishSettled(channel, undefined, { id: 'call-1', signal: controller.signal })
    controller.abort('cancelled')

    expect(await published).toEqual([{ handler: 'aborted', status: 'rejected', reason: 'cancelled' }])
    expect(ids).toEqual(['call-1'])
  })

  test('logs each failure once, including that of a nested publish', async () => {
    const { bus, records } = recordedBus()
    const outer = event('outer')
    const inner = event('inner')
    bus.subscribe(inner, () => Promise.reject(new Error('broken')), { name: 'failing' })
    bus.subscribe(outer, () => bus.publish(inner), { name: 'nesting' })

    const outcomes = await bus.publishSettled(outer, undefined, { id: 'call-1' })
    await bus.publishSettled(inner, undefined, { id: 'call-2' })

    expect(outcomes).toMatchObject([{ handler: 'nesting', status: 'rejected', reason: { channel: 'inner' } }])
    expect(records).toMatchObject([
      { level: 'error', message: 'failing failed on inner: broken', fields: { reqId: undefined } },
      { level: 'error', message: 'failing failed on inner: broken', fields: { reqId: 'call-2' } },
    ])
  })
})

describe('channels', () => {
  test('accept any string as a name', async () => {
    const bus = new Bus()
    const names = ['*', '__proto__', 'constructor', '', 'with space']
    const channels = names.map((name) => event<void, string>(name))
    for (const channel of channels) bus.subscribe(channel, () => channel.name)

    for (const channel of channels) expect(await bus.publish(channel)).toEqual([channel.name])
    expect(await bus.publish(event('other'))).toEqual([])
    expect(bus.topology().map(({ channel }) => channel)).toEqual(names)
  })

  test('reject a second channel object with the same name in every operation', async () => {
    const bus = new Bus()
    bus.subscribe(event('greeting'), () => {})
    const duplicate = event('greeting')

    expect(() => bus.subscribe(duplicate, () => {})).toThrow(DuplicateChannel)
    expect(() => bus.publisher(duplicate)).toThrow(
      /^Another channel named greeting already exists, see (\S+publishing\.test\.ts):\d+ and \1:\d+; is the package loaded twice\?$/,
    )
    await expect(bus.publish(duplicate)).rejects.toThrow(DuplicateChannel)
    await expect(bus.publishSettled(duplicate)).rejects.toThrow(DuplicateChannel)
  })
})

describe('the log of the bus', () => {
  test('calls its listeners synchronously', () => {
    const { bus, records } = recordedBus()
    bus.log('info', 'hello', { answer: 42 })
    expect(records).toEqual([{ level: 'info', message: 'hello', fields: { answer: 42 } }])
  })

  test('ignores the failure of a listener and calls the others', async () => {
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

  test('writes warnings and errors to stderr without listeners', () => {
    const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const bus = new Bus()
    for (const level of ['debug', 'info', 'warn', 'error', 'fatal'] as const) bus.log(level, 'hello')
    const written = stderr.mock.calls.map(([text]) => text)
    stderr.mockRestore()

    expect(written).toEqual(['warn: hello\n', 'error: hello\n', 'fatal: hello\n'])
  })
})

test.each([async () => {}, () => Promise.reject(new Error('unheard'))])(
  'a subscriber must not be asynchronous',
  (use) => {
    expect(() => new Bus().use('shop', use)).toThrow('subscriber shop must be synchronous, but returned a promise')
  },
)
