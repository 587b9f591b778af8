import { describe, expect, onTestFinished, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { collectMetrics, fetchSecret, getSecret } from '../../../src/channels.ts'
import { SecretNotFound, Sensitive, SourceFailure, type StoredSecret } from '../../../src/secret.ts'
import { type SecretCacheOptions, secretCache } from '../../../src/sources/cache/secret-cache.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'
import { metricValues } from '../../support/metric-values.ts'

const defaults: SecretCacheOptions = {
  codeNames: ['thedoctor'],
  cacheTtl: 60_000,
  maxStale: 30_000,
  negativeTtl: 2_000,
  fetchTimeout: 5_000,
}

/** A cache with a source that responds on demand. Until it is started, it fetches on requests only. */
function cache(options: Partial<SecretCacheOptions> = {}) {
  const clock = new ManualClock()
  const fetches: PromiseWithResolvers<StoredSecret>[] = []
  const source: Subscriber = (bus) =>
    bus.provide(fetchSecret, () => {
      const fetch = Promise.withResolvers<StoredSecret>()
      fetches.push(fetch)
      return fetch.promise
    })
  const { bus, messages } = recordedBus({ source, 'secret-cache': secretCache({ ...defaults, ...options }, clock) })
  const get = (codeName = 'thedoctor') => bus.request(getSecret, { codeName }).catch((error) => error)
  /** Makes the last fetch succeed. */
  const answer = async () => {
    fetches.at(-1)?.resolve({ codeName: 'thedoctor', value: new Sensitive('x') })
    await settled()
  }
  /** Makes the last fetch fail. */
  const fail = async (error: unknown) => {
    fetches.at(-1)?.reject(error)
    await settled()
  }
  /** Requests the secret and makes the source return it. */
  const load = async () => {
    const reply = get()
    await answer()
    await reply
  }
  /** Requests the secret and makes the source fail. */
  const failLoad = async (error: unknown) => {
    const reply = get()
    await fail(error)
    await reply
  }
  const values = (name: string) => metricValues(bus, `secret_bus_secret_${name}`)
  return { bus, messages, clock, get, answer, fail, load, failLoad, values, fetches }
}

const throttled = () => new SourceFailure('SOURCE_THROTTLED', 'slow down')
const nonZero = (values: Record<string, number>) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value > 0))

test('every metric has a help text, a type and the code name as its first label', async () => {
  const { bus, load } = cache()
  await load()

  const metrics = (await bus.publish(collectMetrics)).flat()

  expect(metrics.map(({ name, type }) => `${name} ${type}`)).toEqual([
    'secret_bus_secret_reads_total counter',
    'secret_bus_secret_fetches_total counter',
    'secret_bus_secret_refreshes_total counter',
    'secret_bus_secret_age_seconds gauge',
    'secret_bus_secret_ttl_seconds gauge',
  ])
  for (const { help, values } of metrics) {
    expect(help).toMatch(/^[A-Z].*\.$/)
    expect(values[0]?.labels).toMatchObject({ code_name: 'thedoctor' })
  }
})

describe('secret_bus_secret_reads_total', () => {
  test('starts at 0 for every secret and result', async () => {
    const { values } = cache({ codeNames: ['rose', 'martha'] })

    expect(await values('reads_total')).toEqual(
      Object.fromEntries(
        ['rose', 'martha'].flatMap((codeName) =>
          ['hit', 'stale', 'miss', 'coalesced', 'negative', 'backoff'].map((result) => [`${codeName} ${result}`, 0]),
        ),
      ),
    )
  })

  test('counts reads by result', async () => {
    const { clock, get, load, failLoad, values } = cache()
    void get() // a miss
    void get() // coalesced, like the next one
    await load()
    for (let hit = 0; hit < 3; hit += 1) await get()
    await clock.advance(60_000)
    await failLoad(throttled()) // a miss
    await get() // stale
    await clock.advance(30_000)
    await failLoad(throttled()) // a miss, because --max-stale is over
    await get() // backoff
    await clock.advance(30_000)
    await failLoad(new SecretNotFound('thedoctor')) // a miss
    for (let negative = 0; negative < 4; negative += 1) await get()

    expect(await values('reads_total')).toEqual({
      'thedoctor hit': 3,
      'thedoctor stale': 1,
      'thedoctor miss': 4,
      'thedoctor coalesced': 2,
      'thedoctor negative': 4,
      'thedoctor backoff': 1,
    })
  })

  test('has no labels for names that are not served', async () => {
    const { get, values } = cache()
    const before = await values('reads_total')

    for (const codeName of ['themaster', '__proto__', 'constructor', '']) await get(codeName)

    expect(await values('reads_total')).toEqual(before)
  })

  test('counts the reads of each secret separately', async () => {
    const { get, values, fetches } = cache({ codeNames: ['rose', 'martha'] })

    const requests = ['rose', 'martha', 'martha'].map((codeName) => get(codeName))
    for (const fetch of fetches) fetch.reject(throttled())
    await Promise.all(requests)

    expect(nonZero(await values('reads_total'))).toEqual({ 'rose miss': 1, 'martha miss': 1, 'martha coalesced': 1 })
  })
})

describe('secret_bus_secret_fetches_total', () => {
  test('starts at 0 for every outcome', async () => {
    const { values } = cache()

    expect(await values('fetches_total')).toEqual({
      'thedoctor ok': 0,
      'thedoctor not_found': 0,
      'thedoctor starting': 0,
      'thedoctor throttled': 0,
      'thedoctor timeout': 0,
      'thedoctor unavailable': 0,
      'thedoctor refused': 0,
      'thedoctor error': 0,
    })
  })

  test.each<[string, unknown]>([
    ['not_found', new SecretNotFound('thedoctor')],
    ['starting', new SourceFailure('SOURCE_STARTING', 'x')],
    ['throttled', throttled()],
    ['timeout', new SourceFailure('SOURCE_TIMEOUT', 'x')],
    ['unavailable', new SourceFailure('SOURCE_UNAVAILABLE', 'x')],
    ['refused', new SourceFailure('SOURCE_REFUSED', 'x')],
    ['refused', Object.assign(new Error('another class'), { code: 'SOURCE_REFUSED' })],
    ['error', new Error('oops')],
    ['error', Object.assign(new Error('oops'), { code: 'UNKNOWN' })],
    ['error', undefined],
  ])('counts failures as %s, according to their code', async (outcome, error) => {
    const { failLoad, values } = cache()

    await failLoad(error)

    expect(nonZero(await values('fetches_total'))).toEqual({ [`thedoctor ${outcome}`]: 1 })
  })

  test('counts a fetch that exceeds the fetch timeout as timeout', async () => {
    const { get, values } = cache({ fetchTimeout: 1 })

    await get()

    expect(nonZero(await values('fetches_total'))).toEqual({ 'thedoctor timeout': 1 })
  })

  test('counts a value that arrives after the end of its TTL as timeout, and logs it as a failure', async () => {
    const { clock, get, answer, values, messages } = cache({ cacheTtl: 2_000 })
    const reply = get()
    await clock.advance(2_001) // the event loop was blocked, so that the timeout has not ended the read

    await answer()

    expect(await reply).toMatchObject({ code: 'SOURCE_TIMEOUT' })
    expect(nonZero(await values('fetches_total'))).toEqual({ 'thedoctor timeout': 1 })
    const reason = 'The read took longer than 2000 ms, so its value has expired'
    expect(messages('warn')).toEqual([`Failed to fetch secret thedoctor: ${reason}`])
  })

  test('counts a fetch that many requests share once', async () => {
    const { get, load, values } = cache()
    for (let count = 0; count < 100; count += 1) void get()
    expect(nonZero(await values('fetches_total'))).toEqual({})

    await load()

    expect(nonZero(await values('fetches_total'))).toEqual({ 'thedoctor ok': 1 })
  })
})

describe('secret_bus_secret_refreshes_total', () => {
  /** Starts the cache, and makes the first read of the secret succeed. */
  async function started() {
    const service = cache()
    onTestFinished(async () => void (await service.bus.exit()))
    await service.bus.start()
    await settled()
    await service.answer()
    return { ...service, refreshes: async () => nonZero(await service.values('refreshes_total')) }
  }

  test('starts at 0 for the same outcomes as the fetches, and does not count the first read', async () => {
    const { values } = await started()

    const [refreshes, fetches] = [await values('refreshes_total'), await values('fetches_total')]

    expect(nonZero(fetches)).toEqual({ 'thedoctor ok': 1 })
    expect(refreshes).toEqual({ ...fetches, 'thedoctor ok': 0 })
  })

  test('does not count attempts at the first read', async () => {
    const { bus, clock, fail, values, fetches } = cache()
    onTestFinished(async () => void (await bus.exit()))
    await bus.start()
    await settled()
    await fail(throttled())
    await clock.advance(1_000)
    await fail(throttled())

    expect(fetches.length).toBeGreaterThan(1)
    expect(nonZero(await values('refreshes_total'))).toEqual({})
  })

  test('counts the fetches of the background by outcome', async () => {
    const { clock, answer, fail, fetches, refreshes } = await started()
    await clock.advance(48_000) // the refresh is due
    await fail(throttled())
    expect(await refreshes()).toEqual({ 'thedoctor throttled': 1 })

    await clock.advance(1_000) // longer than the pause after a failure
    await answer()
    expect(await refreshes()).toEqual({ 'thedoctor throttled': 1, 'thedoctor ok': 1 })

    await clock.advance(48_000)
    await fail(new SecretNotFound('thedoctor'))
    expect(await refreshes()).toEqual({ 'thedoctor throttled': 1, 'thedoctor ok': 1, 'thedoctor not_found': 1 })
    expect(fetches).toHaveLength(4)
  })

  test('does not count the reads of requests and reloads', async () => {
    const { bus, answer, fetches, refreshes } = await started()
    void bus.request(getSecret, { codeName: 'thedoctor', maxAge: 0 }).catch(() => {})
    const reload = bus.graceful()
    await settled()
    await answer()
    await reload

    expect(fetches.length).toBeGreaterThan(1)
    expect(await refreshes()).toEqual({})
  })

  test('does not count a read of a request that the refresh joins', async () => {
    const { bus, clock, answer, fetches, refreshes } = await started()
    await clock.advance(47_999)
    const reply = bus.request(getSecret, { codeName: 'thedoctor', maxAge: 0 })
    await clock.advance(1) // the refresh is due

    await answer()

    await reply
    expect(fetches).toHaveLength(2)
    expect(await refreshes()).toEqual({})
  })
})

describe('secret_bus_secret_ttl_seconds', () => {
  test.each([
    [60_000, 60],
    [1_500, 1.5],
    [Infinity, Infinity],
    [0, 0],
  ])('of a TTL of %d ms is %d for every secret, even before its first read', async (cacheTtl, seconds) => {
    const { values } = cache({ cacheTtl, codeNames: ['thedoctor', 'river'] })

    expect(await values('ttl_seconds')).toEqual({ thedoctor: seconds, river: seconds })
  })

  test('is exceeded by the age of a value that is stale, and of no other', async () => {
    const { clock, load, values } = cache()
    await load()
    const isOld = async () =>
      Number((await values('age_seconds'))['thedoctor']) > ((await values('ttl_seconds'))['thedoctor'] ?? NaN)

    await clock.advance(60_000)
    expect(await isOld()).toBe(false)
    await clock.advance(1)
    expect(await isOld()).toBe(true)
    await clock.advance(30_000) // --max-stale is over
    expect(await values('age_seconds')).toEqual({})
  })
})

describe('secret_bus_secret_age_seconds', () => {
  test('is absent without a value', async () => {
    const { failLoad, values } = cache()
    expect(await values('age_seconds')).toEqual({})

    await failLoad(throttled())

    expect(await values('age_seconds')).toEqual({})
  })

  test('is the age of the served value in seconds', async () => {
    const { clock, load, values } = cache({ codeNames: ['thedoctor', 'river'] })
    await load()

    await clock.advance(1_500)

    expect(await values('age_seconds')).toEqual({ thedoctor: 1.5 })
  })
})
