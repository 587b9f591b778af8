import { describe, expect, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { collectMetrics, fetchSecret, getSecret } from '../../../src/channels.ts'
import { SecretNotFound, Sensitive, SourceFailure, type StoredSecret } from '../../../src/secret.ts'
import { type SecretCacheOptions, secretCache } from '../../../src/sources/cache/secret-cache.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { collected } from '../../support/collected.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'

const defaults: SecretCacheOptions = {
  codeNames: ['thedoctor'],
  cacheTtl: 60_000,
  maxStale: 30_000,
  negativeTtl: 2_000,
  fetchTimeout: 5_000,
}

/** A cache, not started, so that it fetches only when it is asked, and whose source answers when it is told to. */
function cache(given: Partial<SecretCacheOptions> = {}) {
  const clock = new ManualClock()
  const fetches: PromiseWithResolvers<StoredSecret>[] = []
  const source: Subscriber = (bus) =>
    bus.provide(fetchSecret, () => {
      const fetch = Promise.withResolvers<StoredSecret>()
      fetches.push(fetch)
      return fetch.promise
    })
  const { bus } = recordedBus({ source, 'secret-cache': secretCache({ ...defaults, ...given }, clock) })
  const get = (codeName = 'thedoctor') => bus.request(getSecret, { codeName }).catch(() => {})
  /** Asks, and has the source answer with a value, or fail. */
  const load = async () => {
    const given = get()
    fetches.at(-1)?.resolve({ codeName: 'thedoctor', value: new Sensitive('x'), fetchedAt: clock.now() })
    await given
    await settled()
  }
  const lose = async (error: unknown) => {
    const given = get()
    fetches.at(-1)?.reject(error)
    await given
    await settled()
  }
  const shown = (name: string) => collected(bus, `secret_bus_secret_${name}`)
  return { bus, clock, get, load, lose, shown }
}

const throttled = () => new SourceFailure('SOURCE_THROTTLED', 'so it is')
const counts = (values: Record<string, number>) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value > 0))

test('each of its metrics has a help, a type, and the code name first among its labels', async () => {
  const { bus, load } = cache()
  await load()

  const metrics = (await bus.publish(collectMetrics)).flat()

  expect(metrics.map(({ name, type }) => `${name} ${type}`)).toEqual([
    'secret_bus_secret_reads_total counter',
    'secret_bus_secret_fetches_total counter',
    'secret_bus_secret_age_seconds gauge',
  ])
  for (const { help, values } of metrics) {
    expect(help).toMatch(/^[A-Z].*\.$/)
    expect(values[0]?.labels).toMatchObject({ code_name: 'thedoctor' })
  }
})

describe('reads', () => {
  test('are all there from the start, and 0', async () => {
    const { shown } = cache({ codeNames: ['rose', 'martha'] })

    expect(await shown('reads_total')).toEqual(
      Object.fromEntries(
        ['rose', 'martha'].flatMap((codeName) =>
          ['hit', 'stale', 'miss', 'coalesced', 'negative', 'backoff'].map((result) => [`${codeName} ${result}`, 0]),
        ),
      ),
    )
  })

  test('are counted by what they came to', async () => {
    const { clock, get, load, lose, shown } = cache()
    void get() // a miss
    void get() // coalesced, as the next one
    await load()
    for (let hit = 0; hit < 3; hit += 1) await get()
    await clock.advance(60_000)
    await lose(throttled()) // stale
    await get() // stale
    await clock.advance(30_000)
    await lose(throttled()) // a miss, for that was too long ago
    await get() // answered with the failure
    await clock.advance(30_000)
    await lose(new SecretNotFound('thedoctor')) // a miss
    for (let negative = 0; negative < 4; negative += 1) await get()

    expect(await shown('reads_total')).toEqual({
      'thedoctor hit': 3,
      'thedoctor stale': 2,
      'thedoctor miss': 3,
      'thedoctor coalesced': 2,
      'thedoctor negative': 4,
      'thedoctor backoff': 1,
    })
  })

  test('of a name that is not served are in no label', async () => {
    const { get, shown } = cache()
    const before = await shown('reads_total')

    for (const codeName of ['themaster', '__proto__', 'constructor', '']) await get(codeName)

    expect(await shown('reads_total')).toEqual(before)
  })

  test('are counted for each name by itself', async () => {
    const { get, shown } = cache({ codeNames: ['rose', 'martha'] })

    for (const codeName of ['rose', 'martha', 'martha']) void get(codeName)

    expect(counts(await shown('reads_total'))).toEqual({ 'rose miss': 1, 'martha miss': 1, 'martha coalesced': 1 })
  })
})

describe('fetches', () => {
  test('are all there from the start, and 0', async () => {
    const { shown } = cache()

    expect(await shown('fetches_total')).toEqual({
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
    ['refused', Object.assign(new Error('of another class'), { code: 'SOURCE_REFUSED' })],
    ['error', new Error('oops')],
    ['error', Object.assign(new Error('oops'), { code: 'made-up' })],
    ['error', undefined],
  ])('that fail are counted as %s, by the code of the failure', async (outcome, error) => {
    const { lose, shown } = cache()

    await lose(error)

    expect(counts(await shown('fetches_total'))).toEqual({ [`thedoctor ${outcome}`]: 1 })
  })

  test('that take too long are counted as timeout', async () => {
    const { get, shown } = cache({ fetchTimeout: 1 })

    await get()

    expect(counts(await shown('fetches_total'))).toEqual({ 'thedoctor timeout': 1 })
  })

  test('are counted once, however many wait', async () => {
    const { get, load, shown } = cache()
    for (let count = 0; count < 100; count += 1) void get()
    expect(counts(await shown('fetches_total'))).toEqual({})

    await load()

    expect(counts(await shown('fetches_total'))).toEqual({ 'thedoctor ok': 1 })
  })
})

describe('the age', () => {
  test('is not there while there is no value', async () => {
    const { lose, shown } = cache()
    expect(await shown('age_seconds')).toEqual({})

    await lose(throttled())

    expect(await shown('age_seconds')).toEqual({})
  })

  test('is in seconds, of the value that is served', async () => {
    const { clock, load, shown } = cache({ codeNames: ['thedoctor', 'river'] })
    await load()

    await clock.advance(1_500)

    expect(await shown('age_seconds')).toEqual({ thedoctor: 1.5 })
  })
})
