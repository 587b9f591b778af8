import { describe, expect, test } from 'vitest'
import { Backoff } from '../../../src/sources/cache/backoff.ts'

const lowest = () => 0
const highest = () => 1 - Number.EPSILON

function delays(backoff: Backoff, count: number): number[] {
  return Array.from({ length: count }, () => Math.round(backoff.next()))
}

describe('Backoff', () => {
  test('starts at 100 ms and doubles up to 30 s', () => {
    expect(delays(new Backoff(highest), 11)).toEqual([
      100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000,
    ])
  })

  test('subtracts at most half of the delay as jitter', () => {
    expect(delays(new Backoff(lowest), 11)).toEqual([
      50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000,
    ])
  })

  test('stays at 30 s during a long outage', () => {
    const backoff = new Backoff(highest)

    expect(delays(backoff, 2_000).at(-1)).toBe(30_000)
  })

  test('starts over after a reset', () => {
    const backoff = new Backoff(highest)
    delays(backoff, 5)

    backoff.reset()

    expect(delays(backoff, 2)).toEqual([100, 200])
  })
})
