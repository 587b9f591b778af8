import { rm, writeFile } from 'node:fs/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { checkHealth, collectMetrics, getSecret, identifyClient } from '../../../src/channels.ts'
import { Sensitive, SourceFailure } from '../../../src/secret.ts'
import { type ClientsOptions, clients } from '../../../src/sources/clients/clients.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'
import { temporaryFile } from '../../support/temporary-file.ts'

const document = (...names: string[]) => JSON.stringify({ clients: names.map((name) => ({ name, tokens: [name] })) })

async function start(options: ClientsOptions, clock = new ManualClock(), others: Record<string, Subscriber> = {}) {
  const recorded = recordedBus({ ...others, clients: clients(options, clock) })
  onTestFinished(async () => {
    await recorded.stop()
  })
  const { bus } = recorded
  await bus.start()
  await settled()
  const identify = async (token: string) => (await bus.request(identifyClient, { token: new Sensitive(token) }))?.name
  const metric = async (name: string) => {
    const [metrics = []] = await bus.publish(collectMetrics)
    return metrics.find((metric) => metric.name === `secret_bus_${name}`)?.values
  }
  const health = async () => (await bus.publish(checkHealth))[0]?.status
  return { ...recorded, clock, identify, metric, health }
}

/** A cache whose value and failure the test sets. It counts the reads with their maximum age. */
function fakeCache(clock: ManualClock) {
  const cache = {
    text: document('billing'),
    failure: undefined as Error | undefined,
    readAt: undefined as number | undefined,
    ages: [] as (number | undefined)[],
  }
  const subscriber: Subscriber = (bus) =>
    bus.provide(getSecret, ({ codeName, maxAge }) => {
      cache.ages.push(maxAge)
      if (cache.failure) throw cache.failure
      const age = cache.readAt === undefined ? 0 : clock.monotonic() - cache.readAt
      return { codeName, value: new Sensitive(cache.text), freshness: { result: 'hit', age, ttl: Infinity } }
    })
  return { cache, subscriber }
}

async function startWithSecret(options: ClientsOptions = {}) {
  const clock = new ManualClock()
  const { cache, subscriber } = fakeCache(clock)
  const service = await start({ clientsSecret: 'clients', maxStale: 3_600_000, ...options }, clock, { subscriber })
  return { ...service, cache }
}

const outage = new SourceFailure('SOURCE_UNAVAILABLE', 'no network')

describe('clients in a secret', () => {
  test.each([
    ['forever', Infinity, 59_000],
    ['one hour', 3_600_000, 59_000],
    ['10 s', 10_000, 9_500],
    ['0', 0, 0],
  ])('are read when they are older than a minute or the TTL, if that is shorter: %s', async (_, cacheTtl, maxAge) => {
    const { clock, cache } = await startWithSecret({ cacheTtl })

    await clock.advance(1_000)

    expect(cache.ages).toEqual([maxAge, maxAge])
  })

  test('are replaced when the secret changes', async () => {
    const { clock, cache, identify, messages } = await startWithSecret()
    expect([await identify('billing'), await identify('ops')]).toEqual(['billing', undefined])

    cache.text = document('ops')
    await clock.advance(1_000)
    await clock.advance(1_000)

    expect([await identify('billing'), await identify('ops')]).toEqual([undefined, 'ops'])
    expect(messages('info').filter((message) => message.startsWith('Loaded'))).toEqual([
      'Loaded the clients from secret clients',
      'Loaded the clients from secret clients',
    ])
  })

  test.each<[string, (cache: ReturnType<typeof fakeCache>['cache']) => void]>([
    ['is refused', (cache) => Object.assign(cache, { failure: new SourceFailure('SOURCE_REFUSED', 'denied') })],
    ['is unavailable', (cache) => Object.assign(cache, { failure: outage })],
    ['is missing', (cache) => Object.assign(cache, { failure: new Error('Secret "clients" not found') })],
    ['is empty', (cache) => Object.assign(cache, { text: '' })],
    ['is invalid', (cache) => Object.assign(cache, { text: '{"clients": []}' })],
    ['is too old', (cache) => Object.assign(cache, { readAt: cache.readAt ?? 0 })],
  ])('that %s are kept for the maximum staleness, and then rejected, until they are usable', async (_, spoil) => {
    const { clock, cache, identify, metric, health, messages } = await startWithSecret()
    const good = { ...cache }
    spoil(cache)
    /** Sleeps of the loop last for up to 30 s. */
    const advance = async (ms: number) => {
      for (let rest = ms; rest > 0; rest -= 1_000) await clock.advance(Math.min(rest, 1_000))
    }

    await advance(3_600_000)
    expect([await identify('billing'), await health()]).toEqual(['billing', 'warn'])
    expect(await metric('clients_stale_seconds')).not.toEqual([{ value: 0 }])

    await advance(65_000)
    expect(await identify('billing')).toBeUndefined()
    await identify('billing')
    expect(messages('error')).toEqual(['Refusing all requests, because the clients have been stale for too long'])
    expect(messages('warn').filter((message) => message.includes('refresh')).length).toBeLessThanOrEqual(1)

    Object.assign(cache, good)
    await advance(31_000)
    expect([await identify('billing'), await health()]).toEqual(['billing', 'pass'])
    expect(await metric('clients_stale_seconds')).toEqual([{ value: 0 }])
  })

  test('that are invalid are replaced as soon as they are corrected, after one warning', async () => {
    const { clock, cache, identify, messages } = await startWithSecret({ cacheTtl: 2_000 })
    cache.text = '{"clients": []}'
    for (let runs = 0; runs < 200; runs += 1) await clock.advance(100)
    expect(messages('warn').filter((message) => message.includes('Failed'))).toHaveLength(1)

    cache.text = document('ops')
    await clock.advance(100)

    expect(await identify('ops')).toBe('ops')
  })

  test('are stale since they should have been read again if a read fails late', async () => {
    const clock = new ManualClock()
    const { promise: late, reject } = Promise.withResolvers<never>()
    let reads = 0
    const slow: Subscriber = (bus) =>
      bus.provide(getSecret, ({ codeName }) => {
        reads += 1
        if (reads > 1) return late
        const freshness = { result: 'hit', age: 0, ttl: Infinity } as const
        return { codeName, value: new Sensitive(document('billing')), freshness }
      })
    const { metric } = await start({ clientsSecret: 'clients' }, clock, { slow })
    for (let second = 0; second < 90; second += 1) await clock.advance(1_000)
    expect([reads, await metric('clients_stale_seconds')]).toEqual([2, [{ value: 0 }]])

    reject(outage)
    await settled()

    expect(await metric('clients_stale_seconds')).toEqual([{ value: 30 }])
  })

  test('that have never been usable identify no one, and the service is not ready', async () => {
    const clock = new ManualClock()
    const { cache, subscriber } = fakeCache(clock)
    cache.failure = outage
    const { identify, health, metric } = await start({ clientsSecret: 'clients', maxStale: 0 }, clock, { subscriber })

    expect([await identify('billing'), await health()]).toEqual([undefined, 'fail'])
    await clock.advance(1_000)
    expect(await metric('clients_stale_seconds')).toEqual([{ value: 1 }])

    cache.failure = undefined
    await clock.advance(1_000)
    await clock.advance(1_000)
    expect([await identify('billing'), await health()]).toEqual(['billing', 'pass'])
  })
})

describe('clients in a file', () => {
  test.each<[string, (file: string) => Promise<void>]>([
    ['is deleted', (file) => rm(file)],
    ['becomes empty', (file) => writeFile(file, '')],
    ['becomes invalid', (file) => writeFile(file, '{"clients": []}')],
  ])('that %s are kept for the maximum staleness only', async (_, spoil) => {
    const file = await temporaryFile(document('billing'))
    const { bus, clock, identify, health } = await start({ clientsFile: file, maxStale: 60_000 })
    await clock.advance(3_600_000)
    expect([await identify('billing'), await health()]).toEqual(['billing', 'pass'])

    const saved = file
    await spoil(file)
    await expect(bus.graceful()).rejects.toThrow(`--clients ${file}`)
    await clock.advance(59_999)
    expect([await identify('billing'), await health()]).toEqual(['billing', 'warn'])
    await clock.advance(1)
    expect(await identify('billing')).toBeUndefined()

    await writeFile(saved, document('billing'))
    await bus.graceful()
    expect([await identify('billing'), await health()]).toEqual(['billing', 'pass'])
  })

  test('that is checked by the clock of the system become stale without a reload', async () => {
    const file = await temporaryFile(document('billing'))
    const { identify, health } = await start({ clientsFile: file, watchFiles: 10 })
    await writeFile(file, '')

    await expect.poll(health).toBe('warn')
    expect(await identify('billing')).toBe('billing')

    await writeFile(file, document('billing'))
    await expect.poll(health).toBe('pass')
  })
})

test('a list of tokens is kept for ever', async () => {
  const file = await temporaryFile('one')
  const { bus, clock, identify } = await start({ authTokenFile: file, maxStale: 0 })
  await rm(file)
  await bus.graceful().catch(() => {})
  await clock.advance(1e9)

  expect(await identify('one')).toBe('token-7692c3ad')
})

describe('a certificate', () => {
  const text = JSON.stringify({
    clients: [
      { name: 'ops', certificates: ['spiffe://example/ops', 'ops.example'] },
      { name: 'billing', tokens: ['billing'] },
    ],
  })

  test.each([
    [['spiffe://example/ops'], undefined, 'ops'],
    [['unknown', 'ops.example'], undefined, 'ops'],
    [['unknown'], undefined, undefined],
    [[], undefined, undefined],
    [['ops.example'], 'billing', 'billing'],
    [['ops.example'], 'unknown', undefined],
  ])('with the identities %j and the token %s identifies %s', async (certificate, token, name) => {
    const { bus } = await start({ clients: new Sensitive(text) })

    const client = await bus.request(identifyClient, {
      certificate,
      token: (token && new Sensitive(token)) || undefined,
    })

    expect(client?.name).toBe(name)
    expect(client?.token).toBe(token && name && '0c95c7ec')
  })
})

describe('the uses of tokens', () => {
  test('are kept when the document changes, for the tokens that it keeps', async () => {
    const { cache, clock, identify, metric } = await startWithSecret()
    await identify('billing')
    await identify('billing')
    const tokenOf = (name: string) => ({ client: name, token: expect.stringMatching(/^[\da-f]{8}$/) })
    expect(await metric('token_uses_total')).toEqual([{ labels: tokenOf('billing'), value: 2 }])

    cache.text = document('ops', 'billing')
    await clock.advance(1_000)
    await clock.advance(1_000)
    await identify('billing')
    expect(await metric('token_uses_total')).toEqual([
      { labels: tokenOf('ops'), value: 0 },
      { labels: tokenOf('billing'), value: 3 },
    ])
  })

  test('are counted from 0 when a token moves to another client', async () => {
    const { cache, clock, identify, metric } = await startWithSecret()
    await identify('billing')

    cache.text = JSON.stringify({ clients: [{ name: 'ops', tokens: ['billing'] }] })
    await clock.advance(1_000)
    await clock.advance(1_000)

    expect(await metric('token_uses_total')).toMatchObject([{ labels: { client: 'ops' }, value: 0 }])
  })

  test('have series of their own for 1,000 clients', async () => {
    const names = Array.from({ length: 1_002 }, (_, index) => `client-${index}`)
    const { identify, metric } = await start({ clients: new Sensitive(document(...names)) })
    for (const name of ['client-0', 'client-999', 'client-1000', 'client-1001']) await identify(name)

    const values = (await metric('token_uses_total')) ?? []

    expect(values).toHaveLength(1_001)
    expect(values.at(999)).toMatchObject({ labels: { client: 'client-999' }, value: 1 })
    expect(values.at(-1)).toEqual({ labels: { client: 'other', token: 'other' }, value: 2 })
  })
})
