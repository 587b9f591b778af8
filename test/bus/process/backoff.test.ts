import { describe, expect, test } from 'vitest'
import { type Backoff, backoff } from '../../../src/bus/process/backoff.ts'

const lowest = () => 0
const highest = () => 1 - Number.EPSILON

function delays(pauses: Backoff, count: number): number[] {
  return Array.from({ length: count }, () => Math.round(pauses.next()))
}

describe('backoff', () => {
  test('starts at 100 ms and doubles up to 30 s', () => {
    expect(delays(backoff({ random: highest }), 11)).toEqual([
      100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000,
    ])
  })

  test('subtracts at most half of the delay as jitter', () => {
    expect(delays(backoff({ random: lowest }), 11)).toEqual([
      50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000,
    ])
  })

  test('stays at 30 s during a long outage', () => {
    expect(delays(backoff({ random: highest }), 2_000).at(-1)).toBe(30_000)
  })

  test('starts over after a reset', () => {
    const pauses = backoff({ random: highest })
    delays(pauses, 5)

    pauses.reset()

    expect(delays(pauses, 2)).toEqual([100, 200])
  })

  test('doubles from the given first delay up to the given maximum', () => {
    expect(delays(backoff({ first: 5, max: 15, random: highest }), 4)).toEqual([5, 10, 15, 15])
  })

  test('uses random jitter by default', () => {
    const values = Array.from({ length: 100 }, () => backoff().next())

    expect(new Set(values).size).toBeGreaterThan(1)
    expect(Math.min(...values)).toBeGreaterThanOrEqual(50)
    expect(Math.max(...values)).toBeLessThan(100)
  })

  test.each([0, -1, Number.NaN, Infinity])('refuses a first delay of %d', (first) => {
    expect(() => backoff({ first, max: Infinity })).toThrow(
      RangeError(`first must be a positive number of milliseconds, received ${first}`),
    )
  })

  test.each([4, Number.NaN, Infinity])('refuses a maximum of %d', (max) => {
    expect(() => backoff({ first: 5, max })).toThrow(
      RangeError(`max must be a number of milliseconds of at least first (5), received ${max}`),
    )
  })
})
