import { describe, expect, test } from 'vitest'
import { ClientRates, TokenBucket } from '../../../src/handlers/guards/client-rates.ts'

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

describe('the rates of clients', () => {
  test('are separate, and start with a full bucket when the rate of a client changes', () => {
    const rates = new ClientRates()
    const accepted = (name: string, rate: number) => rates.take(name, rate) === 0

    expect([accepted('a', 0.001), accepted('a', 0.001), accepted('b', 0.001)]).toEqual([true, false, true])
    expect([accepted('a', 0.002), accepted('a', 0.002)]).toEqual([true, false])
  })

  test('are bounded in number', () => {
    const rates = new ClientRates()
    for (let index = 0; index <= 10_000; index += 1) rates.take(`client-${index}`, 0.001)

    expect(rates.take('client-10000', 0.001)).toBeGreaterThan(0)
    expect(rates.take('client-0', 0.001)).toBe(0)
  })
})
