import { describe, expect, onTestFinished, test } from 'vitest'
import { request } from '../../../src/bus/channel.ts'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { collectMetrics } from '../../../src/channels.ts'
import { diagnostics } from '../../../src/diagnostics.ts'
import type { CacheDirectives, Freshness } from '../../../src/freshness.ts'
import { type CacheDefinition, cached } from '../../../src/sources/cache/cached.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { ManualClock } from '../../support/manual-clock.ts'

interface PriceQuery {
  readonly sku: string
}

const fetchPrice = request<PriceQuery, number>('price.fetch')
const getPrice = request<PriceQuery & CacheDirectives, { cents: number; freshness: Freshness }>('price.get')

class UnknownItem extends Error {
  readonly code = 'UNKNOWN_ITEM'
}

/** A cache of prices, for any item unless `queries` is given. The price of an item is the number of reads so far. */
function prices(options: Partial<CacheDefinition<PriceQuery, number, { cents: number; freshness: Freshness }>> = {}) {
  const clock = new ManualClock()
  const queries: object[] = []
  const state = { failing: false }
  const source: Subscriber = (bus) =>
    bus.provide(fetchPrice, (query) => {
      queries.push(query)
      if (state.failing) throw new Error('no answer')
      if (query.sku.startsWith('NONE')) throw new UnknownItem(query.sku)
      return queries.length
    })
  const cache = cached(
    {
      ask: fetchPrice,
      answer: getPrice,
      key: ({ sku }) => sku,
      reply: (cents, freshness) => ({ cents, freshness }),
      policy: { ttl: 60_000, maxEntries: 3 },
      absent: (error) => error instanceof UnknownItem,
      words: { cache: 'price-cache', one: 'price', many: 'prices', label: 'sku' },
      ...options,
    },
    clock,
  )
  const { bus, records } = recordedBus({ source, cache })
  const get = async (sku: string, directives: CacheDirectives = {}) => {
    const { cents, freshness } = await bus.request(getPrice, { sku, ...directives })
    return `${cents}, ${freshness.result}`
  }
  const metrics = async () => (await bus.publish(collectMetrics)).flat()
  return { bus, clock, queries, state, get, metrics, records }
}

describe('a cache of any query', () => {
  test('keeps a value for the TTL, and reads it again on request', async () => {
    const { bus, clock, get } = prices()
    await bus.start()

    expect([await get('A'), await get('A')]).toEqual(['1, miss', '1, hit'])
    await clock.advance(60_000)
    expect(clock.sleeping).toEqual([])
    expect(await get('A')).toBe('2, miss')
  })

  test('asks without the directives', async () => {
    const { get, queries } = prices()

    await get('A', { maxAge: 0, maxStale: 5, onlyIfCached: false })

    expect(queries).toEqual([{ sku: 'A' }])
  })

  test('drops the value that was not used for the longest time', async () => {
    const { get } = prices()
    for (const sku of ['A', 'B', 'C', 'A', 'D']) await get(sku)

    expect(await Promise.all(['A', 'C', 'D'].map((sku) => get(sku)))).toEqual(['1, hit', '3, hit', '4, hit'])
    expect(await get('B')).toBe('5, miss')
  })

  test('never drops a value because of requests for what does not exist', async () => {
    const { get, metrics } = prices()
    for (const sku of ['A', 'B', 'C']) await get(sku)

    for (let index = 0; index < 1_000; index += 1) await get(`NONE-${index}`).catch(() => {})

    expect(await Promise.all(['A', 'B', 'C'].map((sku) => get(sku)))).toEqual(['1, hit', '2, hit', '3, hit'])
    expect((await metrics()).find(({ name }) => name === 'secret_bus_price_cache_entries')?.values).toEqual([
      { value: 6 },
    ])
  })

  test('caches that a value does not exist, and keeps it once it does', async () => {
    const { clock, get, queries } = prices()
    for (let count = 0; count < 3; count += 1) await expect(get('NONE')).rejects.toThrow(UnknownItem)
    expect(queries).toHaveLength(1)
    await clock.advance(2_000)

    await expect(get('NONE')).rejects.toThrow(UnknownItem)

    expect(queries).toHaveLength(2)
  })

  test('has no metric labels from keys', async () => {
    const { get, metrics } = prices()
    await get('A')
    await get('A')

    const labels = (await metrics()).flatMap(({ values }) => values.map((value) => Object.keys(value.labels ?? {})))

    expect(new Set(labels.flat())).toEqual(new Set(['result', 'outcome']))
    expect((await metrics())[0]?.values).toContainEqual({ labels: { result: 'hit' }, value: 1 })
  })

  test('reads a value again after a reload, and serves the old one while that fails', async () => {
    const { bus, clock, state, get } = prices({ policy: { ttl: 60_000, maxStale: 60_000 } })
    await bus.start()
    await get('A')
    expect(await bus.graceful()).toEqual([{ expired: 1 }])
    state.failing = true
    expect(await get('A')).toBe('1, stale')
    state.failing = false
    await clock.advance(75)
    await get('A')

    expect(await get('A')).toMatch(/, hit$/)
    expect(await get('A')).not.toBe('1, hit')
  })

  test('serves a stale value only during the backoff, since no read in the background ends the outage', async () => {
    const { clock, state, get } = prices({ policy: { ttl: 60_000, maxStale: 60_000 } })
    await get('A')
    await clock.advance(60_000)
    state.failing = true
    expect([await get('A'), await get('A')]).toEqual(['1, stale', '1, stale'])
    state.failing = false
    await clock.advance(75)

    expect(await get('A')).toMatch(/, miss$/)
  })

  test('warns of an outage, but not of values that do not exist', async () => {
    const { state, get, records } = prices()
    await get('NONE').catch(() => {})
    state.failing = true
    await get('A').catch(() => {})
    await get('B').catch(() => {})
    state.failing = false
    await get('C')

    const lines = records.filter(({ level }) => level === 'warn' || level === 'info').map(({ message }) => message)
    expect(lines).toEqual(['Failed to fetch price A: no answer', 'Recovered: fetched price C'])
  })
})

describe('a cache of a fixed set of queries', () => {
  test('refuses other queries without a read', async () => {
    const { get, queries } = prices({ queries: [{ sku: 'A' }], unknown: ({ sku }) => new UnknownItem(sku) })

    await expect(get('B')).rejects.toThrow(UnknownItem)

    expect(queries).toEqual([])
  })

  test('has metrics by key', async () => {
    const { get, metrics } = prices({ queries: [{ sku: 'A' }, { sku: 'B' }] })
    await get('A')

    const names = Object.fromEntries((await metrics()).map(({ name, values }) => [name, values]))
    expect(names['secret_bus_price_reads_total']).toContainEqual({ labels: { sku: 'A', result: 'miss' }, value: 1 })
    expect(names['secret_bus_price_age_seconds']).toEqual([{ labels: { sku: 'A' }, value: 0 }])
  })
})

test('an invalid policy is refused when the subscriber is created', () => {
  expect(() => prices({ policy: { ttl: -1 } })).toThrow('ttl must be a number of milliseconds of at least 0')
})

describe('the diagnostics of reads', () => {
  /** Records the diagnostics of one key. */
  const record = (key: string) => {
    const seen: string[] = []
    const end = diagnostics.cacheRead.subscribe({
      start: (read) => {
        if (read.key === key) seen.push(`start ${read.trigger} for ${read.call?.id}`)
        read.trace = { traceId: '0'.repeat(31) + 1, spanId: '0'.repeat(15) + 1, flags: 1 }
      },
      end: (read) => void (read.key === key && seen.push(`end ${read.trigger}: ${read.outcome}`)),
    })
    const endJoins = diagnostics.cacheJoin.subscribe(({ read, call }) => {
      if (read.key === key) seen.push(`${call?.id} joins the ${read.trigger} of ${read.call?.id}`)
    })
    onTestFinished(() => {
      end()
      endJoins()
    })
    return seen
  }

  test('name the call that causes the read, those that join it, and the outcome', async () => {
    const { bus, clock, state } = prices()
    await bus.start()
    const seen = record('JOIN')
    await Promise.all(['a', 'b'].map((id) => bus.request(getPrice, { sku: 'JOIN' }, { id })))
    state.failing = true
    await clock.advance(60_000)
    await bus.request(getPrice, { sku: 'JOIN' }, { id: 'c' }).catch(() => {})
    expect(seen).toEqual([
      'start request for a',
      'b joins the request of a',
      'end request: ok',
      'start request for c',
      'end request: Error',
    ])
  })

  test('report reads in the background, whose trace a subscriber sets', async () => {
    const { bus } = prices({ queries: [{ sku: 'BACK' }] })
    const seen = record('BACK')
    const traces: unknown[] = []
    bus.intercept((call, next) => {
      if (call.channel === fetchPrice.name) traces.push(call.trace?.spanId)
      return next()
    })
    await bus.start()
    await expect.poll(() => seen).toEqual(['start load for undefined', 'end load: ok'])
    await bus.graceful()
    expect(seen.slice(2)).toEqual(['start reload for undefined', 'end reload: ok'])
    expect(traces).toEqual(['0000000000000001', '0000000000000001'])
    await bus.exit()
  })
})
