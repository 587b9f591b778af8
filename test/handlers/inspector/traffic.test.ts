import { describe, expect, test } from 'vitest'
import { Bus } from '../../../src/bus/bus.ts'
import type { InterceptedCall } from '../../../src/bus/call.ts'
import { event, request } from '../../../src/bus/channel.ts'
import type { Activity } from '../../../src/bus/taps.ts'
import { BusTraffic } from '../../../src/handlers/inspector/traffic.ts'

const activity = { channel: 'rang', by: 'listener', id: 'one' }

/** Adds a call that has no parent. */
const add = (traffic: BusTraffic, activity: Activity) =>
  traffic.add(activity, { id: activity.id, parent: undefined } as InterceptedCall)

test('counts the calls of each channel and computes percentiles of their duration', () => {
  const traffic = new BusTraffic()

  for (let ms = 1; ms <= 100; ms += 1) add(traffic, { ...activity, ms })
  add(traffic, { ...activity, channel: 'other', ms: 0, error: new Error('failed') })
  add(traffic, { ...activity, channel: 'other', ms: 1e9 })

  const [rang, other] = traffic.channels()
  expect(rang).toMatchObject({ channel: 'rang', count: 100, failed: 0 })
  expect(rang?.p50).toBeCloseTo(50, -0.5)
  expect(rang?.p99).toBeCloseTo(99, -0.5)
  expect(other).toMatchObject({ channel: 'other', count: 2, failed: 1 })
})

test('keeps the last 200 messages with their sequence number and start time', () => {
  const traffic = new BusTraffic()
  const before = Date.now()
  const start = performance.now()

  for (let count = 0; count < 205; count += 1) add(traffic, { ...activity, ms: 1_000 })

  expect(traffic.count).toBe(205)
  expect(traffic.since(0)).toHaveLength(200)
  expect(traffic.since(203).map(({ number }) => number)).toEqual([204, 205])
  expect(traffic.since(0)[0]?.at).toBeGreaterThanOrEqual(before - 1_000)
  expect(traffic.since(0)[0]?.at).toBeLessThanOrEqual(Date.now() - 1_000)
  const starts = traffic.since(0).map((message) => message.start)
  expect(starts[0]).toBeGreaterThanOrEqual(start - 1_001)
  expect(starts).toEqual(starts.toSorted((one, other) => one - other))
  expect(new Set(starts).size).toBeGreaterThan(1) // finer than a millisecond
})

test('does not count refused calls as failed', () => {
  const traffic = new BusTraffic((error) => error === 'refusal')

  for (const error of ['refusal', 'failure']) add(traffic, { ...activity, ms: 1, error })

  expect(traffic.since(0).map(({ outcome }) => outcome)).toEqual(['refused', 'error'])
  expect(traffic.channels()).toMatchObject([{ count: 2, failed: 1 }])
})

test.for<[string, unknown, object]>([
  [
    'an error with a code',
    Object.assign(new Error('classified'), { code: 'SOURCE_TIMEOUT' }),
    { error: 'SOURCE_TIMEOUT' },
  ],
  ['an error without a code', new RangeError('classified'), { error: 'RangeError' }],
  ['a value that is not an error', 'classified', { error: 'string' }],
  ['a timeout', Object.assign(new Error('classified'), { code: 'BUS_REQUEST_TIMEOUT' }), { outcome: 'timeout' }],
])('does not keep the message of %s', ([, error, expected]) => {
  const traffic = new BusTraffic()

  add(traffic, { ...activity, ms: 1, error })

  expect(traffic.since(0)).toEqual([expect.objectContaining({ outcome: 'error', ...expected })])
  expect(JSON.stringify(traffic.since(0))).not.toContain('classified')
})

describe('a request', () => {
  const [outer, inner] = [request<void, void>('outer'), request<void, void>('inner')]
  const ended = event<void>('ended')

  /** A bus whose provider of `outer` requests `inner`, later. */
  function observed() {
    const bus = new Bus()
    const traffic = new BusTraffic()
    bus.tap((activity, call) => traffic.add(activity, call))
    bus.provide(outer, async (_query, call) => {
      await Promise.resolve()
      await bus.request(inner, undefined, call)
    })
    bus.provide(inner, () => {})
    bus.subscribe(ended, () => {})
    return { bus, find: (channel: string) => traffic.since(0).find((message) => message.channel === channel), traffic }
  }

  test('consists of the calls with its id and the calls that these make', async () => {
    const { bus, find } = observed()

    await bus.request(outer, undefined, { id: 'one' })
    await bus.publish(ended, undefined, { id: 'one' })

    const [first, nested, last] = [find('outer'), find('inner'), find('ended')]
    expect([nested, first, last].map((message) => message?.nth)).toEqual([1, 2, 3])
    expect([nested, first, last].map((message) => message?.request)).toEqual(['one', 'one', 'one'])
    expect(nested?.parent).toBe(first?.span)
    expect([first?.parent, last?.parent]).toEqual([undefined, undefined])
    expect(new Set([first?.span, nested?.span, last?.span]).size).toBe(3)
  })

  test('contains the calls of a handler that uses another id', async () => {
    const { bus, find } = observed()
    const outermost = request<void, void>('outermost')
    bus.provide(outermost, () => bus.request(inner, undefined, { id: 'two' }))

    await bus.request(outermost, undefined, { id: 'one' })

    expect(find('inner')).toMatchObject({ id: 'two', request: 'one' })
  })

  test('without an id is identified by its outermost call', async () => {
    const { bus, find, traffic } = observed()

    await bus.request(outer)
    await bus.publish(ended)

    expect(find('inner')?.request).toBe(find('outer')?.request)
    expect(new Set(traffic.since(0).map(({ request }) => request)).size).toBe(2)
  })

  test('has the id of its trace', async () => {
    const { bus, find } = observed()
    const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), flags: 1 }

    await bus.request(outer, undefined, { trace })

    expect(find('inner')?.trace).toBe(trace.traceId)
  })

  test('is counted in bounded memory', async () => {
    const { bus, traffic } = observed()
    const publish = (id: number) => bus.publish(ended, undefined, { id: String(id) })

    for (let id = 0; id < 1_001; id += 1) await publish(id)
    await publish(1_000)
    await publish(0)

    expect(traffic.since(1_001).map(({ nth }) => nth)).toEqual([2, 1])
  })
})
