import { describe, expect, test } from 'vitest'
import { TokenBucket } from '../../../src/handlers/guards/token-bucket.ts'

function bucket(rate: number) {
  let now = 0
  const tokens = new TokenBucket(rate, () => now)
  /** The number of requests that are accepted at once. */
  const burst = (max = 1_000) => {
    let accepted = 0
    while (accepted < max && tokens.take() === 0) accepted += 1
    return accepted
  }
  const advance = (ms: number) => {
    now += ms
  }
  return { tokens, burst, advance }
}

describe('a token bucket', () => {
  test('accepts a burst of the requests of one second, then the rate', () => {
    const { burst, advance } = bucket(50)

    const accepted = [burst()]
    for (const ms of [19, 1, 100, 60_000]) {
      advance(ms)
      accepted.push(burst())
    }

    expect(accepted).toEqual([50, 0, 1, 5, 50])
  })

  test('says when the next request will be accepted', () => {
    const { tokens, burst, advance } = bucket(4)
    burst()

    expect(tokens.take()).toBe(250)
    advance(100)
    expect(tokens.take()).toBe(150)
    advance(150)
    expect(tokens.take()).toBe(0)
  })

  test('accepts one request every ten seconds at a rate of 0.1', () => {
    const { tokens, burst, advance } = bucket(0.1)

    expect(burst()).toBe(1)
    expect(Math.round(tokens.take())).toBe(10_000)
    advance(10_000)
    expect(burst()).toBe(1)
  })
})
