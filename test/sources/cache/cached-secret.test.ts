import { describe, expect, test } from 'vitest'
import {
  SecretNotFound,
  Sensitive,
  SourceFailure,
  type SourceFailureCode,
  type StoredSecret,
} from '../../../src/secret.ts'
import { CachedSecret, type CachePolicy } from '../../../src/sources/cache/cached-secret.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'

const policy: CachePolicy = { cacheTtl: 60_000, maxStale: 3_600_000, negativeTtl: 2_000 }
const almostOne = 1 - Number.EPSILON

/** A secret whose source answers when it is told to. */
function cached(given: Partial<CachePolicy> = {}) {
  const clock = new ManualClock()
  const fetches: (PromiseWithResolvers<StoredSecret> & { id: string | undefined })[] = []
  const fetch = (id: string | undefined) => {
    const answer = Promise.withResolvers<StoredSecret>()
    fetches.push({ id, ...answer })
    return answer.promise
  }
  const secret = new CachedSecret(fetch, { ...policy, ...given }, clock)
  /** What somebody who asks is given: the value, and how it was found. */
  const get = async (id?: string) => {
    const { value, freshness } = await secret.get(id)
    return `${value.reveal()}, ${freshness.result}`
  }
  /** Has the fetch begun last answer. */
  const answer = async (value: string) => {
    fetches.at(-1)?.resolve({ codeName: 'thedoctor', value: new Sensitive(value), fetchedAt: clock.now() })
    await settled()
  }
  const fail = async (error: unknown) => {
    fetches.at(-1)?.reject(error)
    await settled()
  }
  /** Asks, and has the source answer. */
  const load = async (value: string) => {
    const given = get()
    await answer(value)
    return given
  }
  /** Asks, and has the source fail. */
  const lose = async (error: unknown) => {
    const failure = get().catch((error) => error)
    await fail(error)
    return failure
  }
  return { secret, clock, fetches, get, answer, fail, load, lose }
}

const failure = (code: SourceFailureCode) => new SourceFailure(code, 'so it is')
const throttled = () => failure('SOURCE_THROTTLED')
const refusals = [
  ['refuses', failure('SOURCE_REFUSED')],
  ['has no such secret', new SecretNotFound('thedoctor')],
] as const
const passing = [
  ['starting', failure('SOURCE_STARTING')],
  ['throttled', failure('SOURCE_THROTTLED')],
  ['late', failure('SOURCE_TIMEOUT')],
  ['unavailable', failure('SOURCE_UNAVAILABLE')],
  ['of an unknown kind', new Error('who knows')],
] as const

describe('lifetime', () => {
  test('without one, a secret is fetched once and never again', async () => {
    const { clock, fetches, load, get } = cached({ cacheTtl: Infinity })

    expect(await load('first')).toBe('first, miss')
    await clock.advance(100 * 365 * 86_400_000)

    expect(await get()).toBe('first, hit')
    expect(fetches).toHaveLength(1)
  })

  test('a hit is answered at once, without a promise', async () => {
    const { secret, load } = cached()
    await load('first')

    expect(secret.get(undefined)).not.toBeInstanceOf(Promise)
  })

  test.each([
    ['a tenth shorter', 0, 54_000],
    ['as it is', 0.5, 60_000],
    ['a tenth longer', almostOne, 66_000],
  ])('by chance it is %s', async (_, chance, lifetime) => {
    const { clock, load, get } = cached({ cacheTtl: 60_000 })
    clock.chance = chance
    await load('first')

    await clock.advance(lifetime - 1)
    expect(await get()).toBe('first, hit')

    await clock.advance(1)
    expect(await get()).toBe('first, stale')
  })

  test('who asks is told when it ends', async () => {
    const { secret, clock, load } = cached({ cacheTtl: 60_000 })
    await load('first')

    expect(await secret.get(undefined)).toMatchObject({ freshness: { expiresAt: clock.now() + 60_000 } })
  })

  test('of 0 caches nothing', async () => {
    const { load, fetches } = cached({ cacheTtl: 0 })

    expect(await load('first')).toBe('first, miss')
    expect(await load('second')).toBe('second, miss')
    expect(fetches).toHaveLength(2)
  })

  test('of 0 has those who ask at once share a fetch all the same', async () => {
    const { get, answer, fetches } = cached({ cacheTtl: 0 })
    const given = Promise.all([get(), get()])

    await answer('first')

    expect(await given).toEqual(['first, miss', 'first, coalesced'])
    expect(fetches).toHaveLength(1)
  })
})

describe('single flight', () => {
  test('however many ask, there is one fetch, for the first of them', async () => {
    const { get, answer, fetches } = cached()
    const given = Promise.all(Array.from({ length: 100 }, (_, index) => get(`request-${index}`)))

    await answer('first')

    expect(await given).toEqual(['first, miss', ...Array(99).fill('first, coalesced')])
    expect(fetches.map(({ id }) => id)).toEqual(['request-0'])
  })

  test('when it fails, it fails for all who wait', async () => {
    const { get, fail, fetches } = cached()
    const given = Promise.allSettled([get(), get(), get()])

    await fail(throttled())

    expect((await given).map((outcome) => outcome.status === 'rejected' && outcome.reason.code)).toEqual(
      Array(3).fill('SOURCE_THROTTLED'),
    )
    expect(fetches).toHaveLength(1)
  })
})

describe('past its lifetime', () => {
  test('the old value is served while one fetch runs, then the new one', async () => {
    const { clock, load, get, answer, fetches } = cached({ cacheTtl: 60_000 })
    await load('first')
    await clock.advance(60_000)

    expect([await get(), await get(), await get()]).toEqual(Array(3).fill('first, stale'))
    expect(fetches).toHaveLength(2)
    await answer('second')

    expect(await get()).toBe('second, hit')
    expect(fetches).toHaveLength(2)
  })

  test('who is served a stale value is told for how long it has been', async () => {
    const { secret, clock, load } = cached({ cacheTtl: 60_000 })
    await load('first')
    await clock.advance(61_000)

    expect(await secret.get(undefined)).toMatchObject({ freshness: { expiresAt: clock.now() - 1_000 } })
  })

  test.each(passing)('when the source is %s, the old value lives on', async (_, error) => {
    const { clock, load, get, fail } = cached()
    await load('first')
    await clock.advance(60_000)
    await get()

    await fail(error)

    expect(await get()).toBe('first, stale')
  })

  test.each(refusals)('when the source %s, the old value is dropped', async (_, error) => {
    const { clock, load, get, fail } = cached()
    await load('first')
    await clock.advance(60_000)
    await get()

    await fail(error)

    await expect(get()).rejects.toMatchObject({ code: error.code })
  })

  test.each(['SOURCE_REFUSED', 'SECRET_NOT_FOUND'])(
    'an error of any class counts by its code, such as %s',
    async (code) => {
      const { clock, load, get, fail } = cached()
      await load('first')
      await clock.advance(60_000)
      await get()

      await fail(Object.assign(new Error('from a source of somebody else'), { code }))

      await expect(get()).rejects.toMatchObject({ code })
    },
  )

  test('the old value is dropped when it has been stale for too long, whatever was tried', async () => {
    const { clock, load, lose, get, fetches } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
    await load('first')
    await clock.advance(60_000)
    await lose(throttled())
    await clock.advance(50_000)
    await lose(throttled())

    await clock.advance(49_999)
    expect(await get()).toBe('first, stale')
    await clock.advance(1)

    expect(await lose(throttled())).toMatchObject({ code: 'SOURCE_THROTTLED' })
    expect(fetches).toHaveLength(4)
  })

  test('that time begins when its lifetime ends, however long that was by chance', async () => {
    const { clock, load, get, lose } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
    clock.chance = 0
    await load('first')

    await clock.advance(153_999)
    expect(await get()).toBe('first, stale')
    await clock.advance(1)

    expect(await lose(throttled())).toMatchObject({ code: 'SOURCE_THROTTLED' })
  })

  test('neither its lifetime nor that time is longer for a reload that fails', async () => {
    const { secret, clock, load, get, fail, lose } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
    const failToReload = async () => {
      const reloaded = secret.reload().catch(() => {})
      await settled()
      await fail(throttled())
      await reloaded
    }
    await load('first')
    await clock.advance(59_999)
    await failToReload()
    expect(await get()).toBe('first, hit')
    await clock.advance(1)
    expect(await get()).toBe('first, stale')
    await clock.advance(99_999)
    await failToReload()
    expect(await get()).toBe('first, stale')

    await clock.advance(1)

    expect(await lose(throttled())).toMatchObject({ code: 'SOURCE_THROTTLED' })
  })

  test('who asks when it is over waits for the fetch that began before', async () => {
    const { clock, load, get, fail, fetches } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
    await load('first')
    await clock.advance(159_999)
    expect(await get()).toBe('first, stale')
    await clock.advance(1)

    const failed = get().catch((error) => error)
    await fail(throttled())

    expect(await failed).toMatchObject({ code: 'SOURCE_THROTTLED' })
    expect(fetches).toHaveLength(2)
  })

  test.each(refusals)('a value dropped since the source %s does not come back when that is late', async (_, error) => {
    const { clock, load, get, fail, lose } = cached({ negativeTtl: 75 })
    await load('first')
    await clock.advance(60_000)
    await get()
    await fail(error)
    await clock.advance(75)

    expect(await lose(failure('SOURCE_TIMEOUT'))).toMatchObject({ code: 'SOURCE_TIMEOUT' })

    await expect(get()).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' })
  })

  test('a fetch that succeeds begins its time anew', async () => {
    const { clock, load, get } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
    await load('first')
    await clock.advance(100_000)
    await load('second')

    await clock.advance(159_999)

    expect(await get()).toBe('second, stale')
  })

  test('nothing stale is served where none may be', async () => {
    const { clock, load } = cached({ cacheTtl: 60_000, maxStale: 0 })
    await load('first')
    await clock.advance(60_000)

    expect(await load('second')).toBe('second, miss')
  })

  test('a stale value is served for ever where that is allowed', async () => {
    const { clock, load, lose, get } = cached({ cacheTtl: 60_000, maxStale: Infinity })
    await load('first')
    await clock.advance(100 * 365 * 86_400_000)
    await lose(throttled())

    expect(await get()).toBe('first, stale')
  })
})

describe('backing off', () => {
  test('who asks for what could not be fetched is told so at once, and when to ask again', async () => {
    const { clock, lose, get, fetches } = cached()
    await lose(throttled()) // 75 ms, halfway between the least and the most

    await expect(get()).rejects.toMatchObject({ code: 'SOURCE_THROTTLED', message: 'so it is', retryAfter: 75 })
    await clock.advance(74)
    await expect(get()).rejects.toMatchObject({ retryAfter: 1 })

    expect(fetches).toHaveLength(1)
  })

  test('who caused the fetch that failed is told when to ask again, too', async () => {
    const { lose } = cached()

    expect(await lose(throttled())).toMatchObject({ code: 'SOURCE_THROTTLED', retryAfter: 75 })
  })

  test('a clock that is set back does not make it longer', async () => {
    const { clock, lose, load } = cached()
    await lose(throttled())
    await clock.advance(-3_600_000)

    expect(await load('first')).toBe('first, miss')
  })

  test('afterwards the source is asked again', async () => {
    const { clock, lose, load } = cached()
    await lose(throttled())
    await clock.advance(75)

    expect(await load('first')).toBe('first, miss')
  })

  test.each([
    ['most', almostOne, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]],
    ['least', 0, [50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000]],
  ])('failures in a row double the time, at %s', async (_, chance, times) => {
    const { clock, lose } = cached()
    clock.chance = chance
    const waits: number[] = []

    for (const _ of times) {
      const { retryAfter } = (await lose(throttled())) as SourceFailure
      waits.push(Math.round(retryAfter ?? Number.NaN))
      await clock.advance(Math.ceil(retryAfter ?? 0))
    }

    expect(waits).toEqual(times)
  })

  test('a success has the time begin again', async () => {
    const { clock, lose, load } = cached({ cacheTtl: 0 })
    await lose(throttled())
    await clock.advance(75)
    await lose(throttled())
    await clock.advance(150)
    await load('first')

    expect(await lose(throttled())).toMatchObject({ retryAfter: 75 })
  })

  test('for how long is known', async () => {
    const { secret, clock, lose } = cached()
    const pauses = [secret.pausedFor]
    await lose(throttled())
    for (const ms of [0, 70, 70]) {
      await clock.advance(ms)
      pauses.push(secret.pausedFor)
    }

    expect(pauses).toEqual([0, 75, 5, 0])
  })

  test('a stale value is not refetched meanwhile', async () => {
    const { clock, load, lose, get, fetches } = cached({ cacheTtl: 60_000 })
    await load('first')
    await clock.advance(60_000)
    await lose(throttled())

    await clock.advance(74)
    expect(await get()).toBe('first, stale')
    expect(fetches).toHaveLength(2)

    await clock.advance(1)
    expect(await get()).toBe('first, stale')
    expect(fetches).toHaveLength(3)
  })

  test('a stale value is not refetched either while a reload has failed just now', async () => {
    const { secret, clock, load, get, fail, fetches } = cached({ cacheTtl: 60_000 })
    await load('first')
    await clock.advance(59_999)
    const reloaded = secret.reload().catch(() => {})
    await settled()
    await fail(throttled())
    await reloaded

    await clock.advance(74)
    expect(await get()).toBe('first, stale')
    expect(fetches).toHaveLength(2)

    await clock.advance(1)
    await get()
    expect(fetches).toHaveLength(3)
  })

  test('what is no failure of the source is thrown as it is', async () => {
    const { lose, get, fetches } = cached()
    const error = new Error('who knows')

    expect(await lose(error)).toBe(error)
    expect(await get().catch((error) => error)).toBe(error)
    expect(fetches).toHaveLength(1)
  })
})

describe('no such secret', () => {
  const absent = () => new SecretNotFound('thedoctor')

  test('is remembered for its own time', async () => {
    const { clock, lose, get, load, fetches } = cached({ negativeTtl: 2_000 })
    await lose(absent())

    await clock.advance(1_999)
    await expect(get()).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' })
    expect(fetches).toHaveLength(1)

    await clock.advance(1)
    expect(await load('first')).toBe('first, miss')
  })

  test('is no outage: that time does not grow', async () => {
    const { clock, lose, get, fetches } = cached({ negativeTtl: 2_000 })
    for (let count = 0; count < 5; count += 1) {
      await lose(absent())
      await clock.advance(2_000)
    }
    expect(fetches).toHaveLength(5)

    void get().catch(() => {})

    expect(fetches).toHaveLength(6)
  })

  test('ends an outage: the next failure is waited for as the first one is', async () => {
    const { clock, lose } = cached({ negativeTtl: 2_000 })
    await lose(throttled())
    await clock.advance(75)
    await lose(absent())
    await clock.advance(2_000)

    expect(await lose(throttled())).toMatchObject({ retryAfter: 75 })
  })

  test('is not remembered where it should not be', async () => {
    const { lose, fetches } = cached({ negativeTtl: 0 })
    await lose(absent())
    await lose(absent())

    expect(fetches).toHaveLength(2)
  })
})

describe('reload', () => {
  test('fetches though the value is fresh, and serves that until the new one is there', async () => {
    const { secret, load, get, answer, fetches } = cached({ cacheTtl: Infinity })
    await load('first')

    const reloaded = secret.reload()
    await settled()
    expect(fetches).toHaveLength(2)
    expect(await get()).toBe('first, hit')
    await answer('second')

    await expect(reloaded).resolves.toBeUndefined()
    expect(await get()).toBe('second, hit')
  })

  test('fetches though it backs off', async () => {
    const { secret, lose, get, answer } = cached()
    await lose(throttled())

    const reloaded = secret.reload()
    await settled()
    await answer('first')
    await reloaded

    expect(await get()).toBe('first, hit')
  })

  test('follows a fetch that is under way with another', async () => {
    const { secret, get, answer, fetches } = cached()
    const waiting = get()

    const reloaded = secret.reload()
    await settled()
    expect(fetches).toHaveLength(1)
    await answer('before')
    expect(await waiting).toBe('before, miss')
    expect(fetches).toHaveLength(2)
    await answer('after')
    await reloaded

    expect(await get()).toBe('after, hit')
  })

  test('follows a fetch that fails with another, too', async () => {
    const { secret, get, fail, answer } = cached()
    const waiting = get().catch(() => {})

    const reloaded = secret.reload()
    await fail(throttled())
    await waiting
    await answer('after')
    await reloaded

    expect(await get()).toBe('after, hit')
  })

  test('asked for twice while a fetch is under way, fetches once more', async () => {
    const { secret, get, answer, fetches } = cached()
    void get()
    const reloads = Promise.all([secret.reload(), secret.reload()])

    await answer('before')
    await answer('after')
    await reloads

    expect(fetches).toHaveLength(2)
  })

  test.each(passing)('that fails since the source is %s says so, and keeps the value', async (_, error) => {
    const { secret, load, get, fail } = cached({ cacheTtl: Infinity })
    await load('first')

    const reloaded = secret.reload().catch((error) => error)
    await settled()
    await fail(error)

    expect(await reloaded).toMatchObject({ message: error.message })
    expect(await get()).toBe('first, hit')
  })

  test.each(refusals)('drops the value at once when the source %s', async (_, error) => {
    const { secret, load, get, fail } = cached({ cacheTtl: Infinity })
    await load('first')

    const reloaded = secret.reload().catch((error) => error)
    await settled()
    await fail(error)

    expect(await reloaded).toMatchObject({ code: error.code })
    await expect(get()).rejects.toMatchObject({ code: error.code })
  })

  test('begins the lifetime anew', async () => {
    const { secret, clock, load, get, answer } = cached({ cacheTtl: 60_000 })
    await load('first')
    await clock.advance(59_000)
    const reloaded = secret.reload()
    await settled()
    await answer('second')
    await reloaded

    await clock.advance(59_999)

    expect(await get()).toBe('second, hit')
  })
})

describe('state', () => {
  test('is missing, fresh, stale and missing again, as a secret is never there, there, and too old', async () => {
    const { secret, clock, load } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
    const states = [secret.state]
    await load('first')
    for (const ms of [0, 60_000, 100_000]) {
      await clock.advance(ms)
      states.push(secret.state)
    }

    expect(states).toEqual(['missing', 'fresh', 'stale', 'missing'])
  })

  test('where nothing is cached, is that of the last fetch', async () => {
    const { secret, clock, load, lose } = cached({ cacheTtl: 0 })
    const states = [secret.state]
    await load('first')
    states.push(secret.state)
    await lose(throttled())
    states.push(secret.state)
    await clock.advance(75)
    await load('second')
    states.push(secret.state)

    expect(states).toEqual(['missing', 'fresh', 'missing', 'fresh'])
  })

  test('it is loaded once the source gave a value, whatever happens later', async () => {
    const { secret, clock, load, lose } = cached({ cacheTtl: 0 })
    await lose(throttled())
    expect(secret.loaded).toBe(false)
    await clock.advance(75)

    await load('first')
    await lose(failure('SOURCE_REFUSED'))

    expect(secret.loaded).toBe(true)
  })
})

describe('reads', () => {
  test('are counted by how they went', async () => {
    const { secret, clock, load, lose, get } = cached({ cacheTtl: 60_000, maxStale: 100_000, negativeTtl: 2_000 })
    void get() // a miss
    await load('first') // coalesced with it
    await get() // a hit
    await clock.advance(60_000)
    await get() // stale
    await lose(throttled()) // stale again
    await clock.advance(100_000)
    await lose(throttled()) // a miss
    await get().catch(() => {}) // answered with that failure
    await clock.advance(150)
    await lose(new SecretNotFound('thedoctor')) // a miss
    await get().catch(() => {}) // answered with its absence

    expect(secret.reads).toEqual({ hit: 1, stale: 2, miss: 3, coalesced: 1, negative: 1, backoff: 1 })
  })

  test('are those of whoever asks, not fetches in the background', async () => {
    const { secret, answer } = cached()
    const loaded = secret.load()
    await answer('first')
    await loaded
    const reloaded = secret.reload()
    await settled()
    await answer('second')
    await reloaded

    expect(Object.values(secret.reads)).toEqual([0, 0, 0, 0, 0, 0])
  })

  test('are not what is asked of the state or the age', async () => {
    const { secret, load } = cached()
    await load('first')

    expect([secret.state, secret.age]).toEqual(['fresh', 0])
    expect(secret.reads).toMatchObject({ hit: 0, miss: 1 })
  })
})

describe('age', () => {
  test('is that of the value that is served, stale or not, and none without one', async () => {
    const { secret, clock, load } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
    const ages = [secret.age]
    await load('first')
    for (const ms of [0, 1, 60_000, 99_998, 1]) {
      await clock.advance(ms)
      ages.push(secret.age)
    }

    expect(ages).toEqual([undefined, 0, 1, 60_001, 159_999, undefined])
  })

  test('counts from when the source read the value, and anew with the next one', async () => {
    const { secret, clock, load, fetches } = cached({ cacheTtl: Infinity })
    await load('first')
    await clock.advance(5_000)
    const reloaded = secret.reload()
    await settled()
    const fetchedAt = clock.now()
    await clock.advance(200)
    expect(secret.age).toBe(5_200)

    fetches.at(-1)?.resolve({ codeName: 'thedoctor', value: new Sensitive('second'), fetchedAt })
    await reloaded

    expect(secret.age).toBe(200)
  })

  test('is that of the old value while there is no new one, and none once that is revoked', async () => {
    const { secret, clock, load, lose } = cached({ cacheTtl: 60_000 })
    await load('first')
    await clock.advance(61_000)

    await lose(throttled())
    expect(secret.age).toBe(61_000)
    await clock.advance(75)
    await lose(failure('SOURCE_REFUSED'))

    expect(secret.age).toBeUndefined()
  })

  test('is none where nothing is kept', async () => {
    const { secret, load } = cached({ cacheTtl: 0 })

    await load('first')

    expect(secret.age).toBeUndefined()
  })
})
