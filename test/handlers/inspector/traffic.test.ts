import { expect, test } from 'vitest'
import { BusTraffic } from '../../../src/handlers/inspector/traffic.ts'

const activity = { channel: 'rang', by: 'listener', id: 'one' }

test('counts the calls of each channel and computes percentiles of their duration', () => {
  const traffic = new BusTraffic()

  for (let ms = 1; ms <= 100; ms += 1) traffic.add({ ...activity, ms })
  traffic.add({ ...activity, channel: 'other', ms: 0, error: new Error('failed') })
  traffic.add({ ...activity, channel: 'other', ms: 1e9 })

  const [rang, other] = traffic.channels()
  expect(rang).toMatchObject({ channel: 'rang', count: 100, failed: 0 })
  expect(rang?.p50).toBeCloseTo(50, -0.5)
  expect(rang?.p99).toBeCloseTo(99, -0.5)
  expect(other).toMatchObject({ channel: 'other', count: 2, failed: 1 })
})

test('keeps the last 200 messages with their sequence number and start time', () => {
  const traffic = new BusTraffic()
  const before = Date.now()

  for (let count = 0; count < 205; count += 1) traffic.add({ ...activity, ms: 1_000 })

  expect(traffic.count).toBe(205)
  expect(traffic.since(0)).toHaveLength(200)
  expect(traffic.since(203).map(({ number }) => number)).toEqual([204, 205])
  expect(traffic.since(0)[0]?.at).toBeGreaterThanOrEqual(before - 1_000)
  expect(traffic.since(0)[0]?.at).toBeLessThanOrEqual(Date.now() - 1_000)
})

test('does not count refused calls as failed', () => {
  const traffic = new BusTraffic((error) => error === 'refusal')

  for (const error of ['refusal', 'failure']) traffic.add({ ...activity, ms: 1, error })

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

  traffic.add({ ...activity, ms: 1, error })

  expect(traffic.since(0)).toEqual([expect.objectContaining({ outcome: 'error', ...expected })])
  expect(JSON.stringify(traffic.since(0))).not.toContain('classified')
})
