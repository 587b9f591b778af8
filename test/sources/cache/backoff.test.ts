import { describe, expect, test } from 'vitest'
import { Backoff } from '../../../src/sources/cache/backoff.ts'

const least = () => 0
const most = () => 1 - Number.EPSILON

function waits(backoff: Backoff, count: number): number[] {
  return Array.from({ length: count }, () => Math.round(backoff.next()))
}

describe('Backoff', () => {
  test('it waits up to 100 ms after the first failure, and doubles that to 30 s', () => {
    expect(waits(new Backoff(most), 11)).toEqual([
      100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000,
    ])
  })

  test('it waits half of that at least', () => {
    expect(waits(new Backoff(least), 11)).toEqual([50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000])
  })

  test('it stays at 30 s however long an outage lasts', () => {
    const backoff = new Backoff(most)

    expect(waits(backoff, 2_000).at(-1)).toBe(30_000)
  })

  test('a reset has it begin again', () => {
    const backoff = new Backoff(most)
    waits(backoff, 5)

    backoff.reset()

    expect(waits(backoff, 2)).toEqual([100, 200])
  })
})
