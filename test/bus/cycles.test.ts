import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Bus } from '../../src/bus/bus.ts'
import { event, request } from '../../src/bus/channel.ts'
import { CallCycle, ChannelOverloaded } from '../../src/bus/errors.ts'
import { lifecycle } from '../../src/bus/process/lifecycle.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'

const [find, fetchIt] = [request<number, unknown>('find'), request<number, unknown>('fetch')]

/** A bus without a tap and a bus with a tap. */
const buses: [string, () => Bus][] = [
  ['on a bare bus', () => new Bus()],
  ['on a bus with a tap', () => recordedBus().bus],
]

describe.each(buses)('a cycle of providers %s', (_what, newBus) => {
  const cycle = 'Calls must not be cyclic: find -> fetch -> find (more than 64 nested calls)'

  test('is rejected with an error that names it, where the call is passed on', async () => {
    const bus = newBus()
    bus.provide(find, (query, call) => turn().then(() => bus.request(fetchIt, query, call)))
    bus.provide(fetchIt, (query, call) => turn().then(() => bus.request(find, query, call)))

    const error = await bus.request(find, 0).catch((error) => error)

    expect(error).toBeInstanceOf(CallCycle)
    expect(error).toMatchObject({ code: 'BUS_CALL_CYCLE', message: cycle, channels: ['find', 'fetch', 'find'] })
  })

  test('is rejected with the same error instead of a RangeError, where it is synchronous', async () => {
    const bus = newBus()
    bus.provide(find, (query) => bus.request(fetchIt, query))
    bus.provide(fetchIt, (query) => bus.request(find, query))
    await expect(bus.request(find, 0)).rejects.toThrow(cycle)
  })

  test('is rejected before memory grows, where the call is not passed on', async () => {
    const bus = newBus()
    let calls = 0
    bus.provide(find, async (query) => {
      calls += 1
      await undefined
      return bus.request(find, query)
    })

    const error = await bus.request(find, 0).catch((error) => error)

    expect(error).toBeInstanceOf(ChannelOverloaded)
    expect(error).toMatchObject({
      code: 'BUS_CHANNEL_OVERLOADED',
      message: expect.stringContaining('too many pending calls on find'),
    })
    expect(calls).toBeGreaterThan(8_000)
    expect(calls).toBeLessThan(12_000)
  })

  test('ends, even if every provider makes two requests and ignores their failures', async () => {
    const bus = newBus()
    let calls = 0
    bus.provide(find, async (query, call) => {
      calls += 1
      await bus.request(find, query, call).catch(() => {})
      await bus.request(find, query, call)
    })
    await expect(bus.request(find, 0)).rejects.toThrow(CallCycle)
    expect(calls).toBe(64)
  })
})

describe('a cycle of events', () => {
  const ping = event<void>('ping')

  test.each(['passed on', 'not passed on'])('ends with two listeners, the call %s', async (how) => {
    const { bus, messages } = recordedBus()
    let calls = 0
    for (const name of ['one', 'other']) {
      const listener = async (call: object) => {
        calls += 1
        await bus.publish(ping, undefined, how === 'passed on' ? call : undefined)
      }
      bus.subscribe(ping, (_, call) => listener(call), { name })
    }

    await expect(bus.publish(ping)).rejects.toThrow('Calls must not be cyclic: ping -> ping')

    expect(calls).toBeLessThan(300)
    expect(messages('error').length).toBeLessThan(300)
  })

  test('ends where it is not passed on after an await', async () => {
    const { bus, messages } = recordedBus()
    const listener = () => turn().then(() => bus.publish(ping))
    bus.subscribe(ping, listener, { name: 'echo' })

    await expect(bus.publish(ping)).rejects.toThrow('ping failed')

    expect(messages('error').filter((message) => !message.startsWith('echo failed'))).toEqual([
      'echo has too many pending calls on ping (about 10,000); is it called in a cycle?',
    ])
  })
})

describe('calls without a cycle', () => {
  test('may be nested, even on one channel with different queries', async () => {
    const bus = new Bus()
    bus.provide(find, async (query, call) => {
      await turn()
      return query === 0 ? 'found' : bus.request(find, query - 1, call)
    })
    expect(await bus.request(find, 8)).toBe('found')
    expect(await bus.request(find, 63)).toBe('found')
    await expect(bus.request(find, 64)).rejects.toThrow(CallCycle)
  })

  test('may be nested on any number of different channels', async () => {
    const bus = new Bus()
    const levels = Array.from({ length: 100 }, (_, level) => request<void, unknown>(`level-${level}`))
    for (const [index, level] of levels.entries()) {
      const next = levels[index + 1]
      bus.provide(level, (_, call) => (next ? bus.request(next, undefined, call) : 'found'))
    }
    expect(await bus.request(levels[0] ?? request('none'))).toBe('found')
  })

  test('may follow each other any number of times', async () => {
    const bus = new Bus()
    bus.provide(find, (query) => query)
    bus.provide(fetchIt, async (query) => query)
    for (let count = 0; count < 1_000; count += 1) {
      await bus.request(find, count)
      await bus.request(fetchIt, count)
    }
  })

  test('may be pending 8,000 times on one channel, and more are accepted as soon as they are answered', async () => {
    const { bus, messages } = recordedBus()
    const gate = Promise.withResolvers<void>()
    bus.provide(find, (query) => gate.promise.then(() => query), { name: 'gate' })
    const pending = Array.from({ length: 8_000 }, (_, query) => bus.request(find, query))
    const refused = await Promise.allSettled(
      Array.from({ length: 4_000 }, () => Promise.race([bus.request(find, 0), turn()])),
    )
    expect(refused.some(({ status }) => status === 'rejected')).toBe(true)
    expect(messages('error')).toEqual([
      'gate has too many pending calls on find (about 10,000); is it called in a cycle?',
    ])

    gate.resolve()
    await Promise.all(pending)
    await turn()

    expect(await bus.request(find, 7)).toBe(7)
  })

  test('that fail without a handler are reported to the process, whether or not they are counted', async () => {
    const bus = new Bus()
    bus.provide(find, () => Promise.reject(new Error('broken')))
    const answers = Array.from({ length: 100 }, () => bus.request(find, 0))
    expect(await Promise.allSettled(answers)).toHaveLength(100)
  })
})

test('a log listener that logs is not called for its own lines', () => {
  const bus = new Bus()
  const lines: string[] = []
  bus.subscribe(lifecycle.log, ({ message }) => void lines.push(message))
  bus.subscribe(lifecycle.log, ({ message }) => bus.log('info', `echo of ${message}`))
  bus.log('info', 'hello')
  expect(lines).toEqual(['hello', 'echo of hello'])
})
