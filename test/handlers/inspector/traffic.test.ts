import { expect, test } from 'vitest'
import { BusTraffic } from '../../../src/handlers/inspector/traffic.ts'

const called = { channel: 'rang', by: 'ear', id: 'one' }

test('traffic is counted for each channel, with the time that half and nearly all of the calls took', () => {
  const traffic = new BusTraffic()

  for (let ms = 1; ms <= 100; ms += 1) traffic.add({ ...called, ms })
  traffic.add({ ...called, channel: 'other', ms: 0, error: new Error('no luck') })
  traffic.add({ ...called, channel: 'other', ms: 1e9 })

  const [rang, other] = traffic.channels()
  expect(rang).toMatchObject({ channel: 'rang', count: 100, failed: 0 })
  expect(rang?.p50).toBeCloseTo(50, -0.5)
  expect(rang?.p99).toBeCloseTo(99, -0.5)
  expect(other).toMatchObject({ channel: 'other', count: 2, failed: 1 })
})

test('the last messages are kept, by their number, with when they began', () => {
  const traffic = new BusTraffic()
  const before = Date.now()

  for (let count = 0; count < 205; count += 1) traffic.add({ ...called, ms: 1_000 })

  expect(traffic.count).toBe(205)
  expect(traffic.since(0)).toHaveLength(200)
  expect(traffic.since(203).map(({ number }) => number)).toEqual([204, 205])
  expect(traffic.since(0)[0]?.at).toBeGreaterThanOrEqual(before - 1_000)
  expect(traffic.since(0)[0]?.at).toBeLessThanOrEqual(Date.now() - 1_000)
})

test.for<[string, unknown, object]>([
  ['that has a code', Object.assign(new Error('classified'), { code: 'SOURCE_TIMEOUT' }), { error: 'SOURCE_TIMEOUT' }],
  ['without one', new RangeError('classified'), { error: 'RangeError' }],
  ['that is none', 'classified', { error: 'string' }],
  ['of time', Object.assign(new Error('classified'), { code: 'BUS_REQUEST_TIMEOUT' }), { outcome: 'timeout' }],
])('what an error %s says is not kept', ([, error, expected]) => {
  const traffic = new BusTraffic()

  traffic.add({ ...called, ms: 1, error })

  expect(traffic.since(0)).toEqual([expect.objectContaining({ outcome: 'error', ...expected })])
  expect(JSON.stringify(traffic.since(0))).not.toContain('classified')
})
