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

/** A cached secret with a source that responds on demand. */
function cached(options: Partial<CachePolicy> = {}) {
  const clock = new ManualClock()
  const fetches: (PromiseWithResolvers<StoredSecret> & { id: string | undefined })[] = []
  const fetch = (id: string | undefined) => {
    const answer = Promise.withResolvers<StoredSecret>()
    fetches.push({ id, ...answer })
    return answer.promise
  }
  const secret = new CachedSecret(fetch, { ...policy, ...options }, clock)
  /** Reads the secret; returns the value and the result. */
  const get = async (id?: string) => {
    const { value, freshness } = await secret.get(id)
    return `${value.reveal()}, ${freshness.result}`
  }
  /** Makes the last fetch succeed. */
  const answer = async (value: string) => {
    fetches.at(-1)?.resolve({ codeName: 'thedoctor', value: new Sensitive(value), fetchedAt: clock.now() })
    await settled()
  }
  /** Makes the last fetch fail. */
  const fail = async (error: unknown) => {
    fetches.at(-1)?.reject(error)
    await settled()
  }
  /** Reads the secret and makes the fetch succeed. */
  const load = async (value: string) => {
    const reply = get()
    await answer(value)
    return reply
  }
  /** Reads the secret and makes the fetch fail. */
  const failLoad = async (error: unknown) => {
    const failure = get().catch((error) => error)
    await fail(error)
    return failure
  }
  return { secret, clock, fetches, get, answer, fail, load, failLoad }
}

const failure = (code: SourceFailureCode) => new SourceFailure(code, 'simulated failure')
const throttled = () => failure('SOURCE_THROTTLED')
const refusals = [
  ['refuses', failure('SOURCE_REFUSED')],
  ['has no such secret', new SecretNotFound('thedoctor')],
] as const
const transientFailures = [
  ['starting', failure('SOURCE_STARTING')],
  ['throttled', failure('SOURCE_THROTTLED')],
  ['too slow', failure('SOURCE_TIMEOUT')],
  ['unavailable', failure('SOURCE_UNAVAILABLE')],
  ['failing in an unknown way', new Error('unknown')],
] as const

describe('the TTL', () => {
  test('can be infinite', async () => {
    const { clock, fetches, load, get } = cached({ cacheTtl: Infinity })

    expect(await load('first')).toBe('first, miss')
    await clock.advance(100 * 365 * 86_400_000)

    expect(await get()).toBe('first, hit')
    expect(fetches).toHaveLength(1)
  })

  test('allows synchronous hits', async () => {
    const { secret, load } = cached()
    await load('first')

    expect(secret.get(undefined)).not.toBeInstanceOf(Promise)
  })

  test.each([
    ['10% shorter', 0, 54_000],
    ['as configured', 0.5, 60_000],
    ['10% longer', almostOne, 66_000],
  ])('may be %s due to jitter', async (_, randomValue, ttl) => {
    const { clock, load, get } = cached({ cacheTtl: 60_000 })
    clock.randomValue = randomValue
    await load('first')

    await clock.advance(ttl - 1)
    expect(await get()).toBe('first, hit')

    await clock.advance(1)
    expect(await get()).toBe('first, stale')
  })

  test('is reported to the reader', async () => {
    const { secret, clock, load } = cached({ cacheTtl: 60_000 })
    await load('first')

    expect(await secret.get(undefined)).toMatchObject({ freshness: { expiresAt: clock.now() + 60_000 } })
  })

  test('disables caching if it is 0', async () => {
    const { load, fetches } = cached({ cacheTtl: 0 })

    expect(await load('first')).toBe('first, miss')
    expect(await load('second')).toBe('second, miss')
    expect(fetches).toHaveLength(2)
  })

  test('does not affect the sharing of a fetch if it is 0', async () => {
    const { get, answer, fetches } = cached({ cacheTtl: 0 })
    const replies = Promise.all([get(), get()])

    await answer('first')

    expect(await replies).toEqual(['first, miss', 'first, coalesced'])
    expect(fetches).toHaveLength(1)
  })
})

describe.each([
  ['back', -86_400_000],
  ['forward', 86_400_000],
])('a wall clock that is set %s a day', (_, jump) => {
  test('affects neither the TTL nor maxStale', async () => {
    const { secret, clock, load } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
    await load('first')
    const states: string[] = []

    clock.setWallClock(jump)

    for (const ms of [59_999, 1, 99_999, 1]) {
      await clock.advance(ms)
      states.push(secret.state)
    }
    expect(states).toEqual(['fresh', 'stale', 'stale', 'missing'])
  })

  test('does not affect the age', async () => {
    const { secret, clock, load } = cached()
    await load('first')
    await clock.advance(1_000)

    clock.setWallClock(jump)

    expect(secret.age).toBe(1_000)
  })

  test('shifts the end of the TTL that is reported to the reader', async () => {
    const { secret, clock, load } = cached({ cacheTtl: 60_000 })
    await load('first')

    clock.setWallClock(jump)

    expect((await secret.get(undefined)).freshness.expiresAt - clock.now()).toBe(60_000)
    await clock.advance(61_000)
    expect((await secret.get(undefined)).freshness.expiresAt - clock.now()).toBe(-1_000)
  })

  test('does not affect the backoff', async () => {
    const { secret, clock, failLoad, load } = cached()
    await failLoad(throttled())

    clock.setWallClock(jump)

    expect(secret.pausedFor).toBe(75)
    await clock.advance(75)
    expect(await load('first')).toBe('first, miss')
  })
})

test('the age counts from the read, and from the arrival if the source reports a later time', async () => {
  const { secret, clock, get, fetches } = cached()
  const load = async (fetchedAt: number) => {
    const reply = get()
    fetches.at(-1)?.resolve({ codeName: 'thedoctor', value: new Sensitive('x'), fetchedAt })
    await reply
  }
  await load(clock.now() - 1_500)
  expect(secret.age).toBe(1_500)
  await clock.advance(policy.cacheTtl + policy.maxStale)

  await load(clock.now() + 86_400_000)

  expect(secret.age).toBe(0)
})

describe('single flight', () => {
  test('makes one fetch for concurrent reads, with the id of the first one', async () => {
    const { get, answer, fetches } = cached()
    const replies = Promise.all(Array.from({ length: 100 }, (_, index) => get(`request-${index}`)))

    await answer('first')

    expect(await replies).toEqual(['first, miss', ...Array(99).fill('first, coalesced')])
    expect(fetches.map(({ id }) => id)).toEqual(['request-0'])
  })

  test('rejects all waiting reads if the fetch fails', async () => {
    const { get, fail, fetches } = cached()
    const replies = Promise.allSettled([get(), get(), get()])

    await fail(throttled())

    expect((await replies).map((outcome) => outcome.status === 'rejected' && outcome.reason.code)).toEqual(
      Array(3).fill('SOURCE_THROTTLED'),
    )
    expect(fetches).toHaveLength(1)
  })
})

describe('a stale value', () => {
  test('is served during a single refresh, then replaced', async () => {
    const { clock, load, get, answer, fetches } = cached({ cacheTtl: 60_000 })
    await load('first')
    await clock.advance(60_000)

    expect([await get(), await get(), await get()]).toEqual(Array(3).fill('first, stale'))
    expect(fetches).toHaveLength(2)
    await answer('second')

    expect(await get()).toBe('second, hit')
    expect(fetches).toHaveLength(2)
  })

  test('is served with the end of its TTL', async () => {
    const { secret, clock, load } = cached({ cacheTtl: 60_000 })
    await load('first')
    await clock.advance(61_000)

    expect(await secret.get(undefined)).toMatchObject({ freshness: { expiresAt: clock.now() - 1_000 } })
  })

  test.each(transientFailures)('is kept while the source is %s', async (_, error) => {
    const { clock, load, get, fail } = cached()
    await load('first')
    await clock.advance(60_000)
    await get()

    await fail(error)

    expect(await get()).toBe('first, stale')
  })

  test.each(refusals)('is dropped when the source %s', async (_, error) => {
    const { clock, load, get, fail } = cached()
    await load('first')
    await clock.advance(60_000)
    await get()

    await fail(error)

    await expect(get()).rejects.toMatchObject({ code: error.code })
  })

  test.each(['SOURCE_REFUSED', 'SECRET_NOT_FOUND'])(
    'is dropped when an error of any class has the code %s',
    async (code) => {
      const { clock, load, get, fail } = cached()
      await load('first')
      await clock.advance(60_000)
      await get()

      await fail(Object.assign(new Error('another class'), { code }))

      await expect(get()).rejects.toMatchObject({ code })
    },
  )

  test('is dropped at the end of maxStale despite failed refreshes in between', async () => {
    const { clock, load, failLoad, get, fetches } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
    await load('first')
    await clock.advance(60_000)
    await failLoad(throttled())
    await clock.advance(50_000)
    await failLoad(throttled())

    await clock.advance(49_999)
    expect(await get()).toBe('first, stale')
    await clock.advance(1)

    expect(await failLoad(throttled())).toMatchObject({ code: 'SOURCE_THROTTLED' })
    expect(fetches).toHaveLength(4)
  })

  test('is dropped maxStale after the actual end of the TTL, including jitter', async () => {
    const { clock, load, get, failLoad } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
    clock.randomValue = 0
    await load('first')

    await clock.advance(153_999)
    expect(await get()).toBe('first, stale')
    await clock.advance(1)

    expect(await failLoad(throttled())).toMatchObject({ code: 'SOURCE_THROTTLED' })
  })

  test('is not kept longer because of a failed reload', async () => {
    const { secret, clock, load, get, fail, failLoad } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
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

    expect(await failLoad(throttled())).toMatchObject({ code: 'SOURCE_THROTTLED' })
  })

  test('that is dropped during a refresh makes reads wait for that refresh', async () => {
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

  test.each(refusals)('is not restored by a later timeout after the source %s', async (_, error) => {
    const { clock, load, get, fail, failLoad } = cached({ negativeTtl: 75 })
    await load('first')
    await clock.advance(60_000)
    await get()
    await fail(error)
    await clock.advance(75)

    expect(await failLoad(failure('SOURCE_TIMEOUT'))).toMatchObject({ code: 'SOURCE_TIMEOUT' })

    await expect(get()).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' })
  })

  test('has a new TTL and maxStale after a successful fetch', async () => {
    const { clock, load, get } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
    await load('first')
    await clock.advance(100_000)
    await load('second')

    await clock.advance(159_999)

    expect(await get()).toBe('second, stale')
  })

  test('is never served if maxStale is 0', async () => {
    const { clock, load } = cached({ cacheTtl: 60_000, maxStale: 0 })
    await load('first')
    await clock.advance(60_000)

    expect(await load('second')).toBe('second, miss')
  })

  test('is served forever if maxStale is infinite', async () => {
    const { clock, load, failLoad, get } = cached({ cacheTtl: 60_000, maxStale: Infinity })
    await load('first')
    await clock.advance(100 * 365 * 86_400_000)
    await failLoad(throttled())

    expect(await get()).toBe('first, stale')
  })
})

describe('the backoff', () => {
  test('rejects reads immediately with the time until a retry', async () => {
    const { clock, failLoad, get, fetches } = cached()
    await failLoad(throttled()) // 75 ms, in the middle of the jitter range

    await expect(get()).rejects.toMatchObject({
      code: 'SOURCE_THROTTLED',
      message: 'simulated failure',
      retryAfter: 75,
    })
    await clock.advance(74)
    await expect(get()).rejects.toMatchObject({ retryAfter: 1 })

    expect(fetches).toHaveLength(1)
  })

  test('keeps the status of the response of the source', async () => {
    const { failLoad } = cached()
    const failure = new SourceFailure('SOURCE_THROTTLED', 'simulated failure', { status: 429 })

    expect(await failLoad(failure)).toMatchObject({ code: 'SOURCE_THROTTLED', status: 429 })
  })

  test('is reported to the read that caused the fetch, too', async () => {
    const { failLoad } = cached()

    expect(await failLoad(throttled())).toMatchObject({ code: 'SOURCE_THROTTLED', retryAfter: 75 })
  })

  test('is followed by another fetch', async () => {
    const { clock, failLoad, load } = cached()
    await failLoad(throttled())
    await clock.advance(75)

    expect(await load('first')).toBe('first, miss')
  })

  test.each([
    ['maximum', almostOne, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]],
    ['minimum', 0, [50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000]],
  ])('doubles with every consecutive failure, here with %s jitter', async (_, randomValue, delays) => {
    const { clock, failLoad } = cached()
    clock.randomValue = randomValue
    const actual: number[] = []

    for (const _ of delays) {
      const { retryAfter } = (await failLoad(throttled())) as SourceFailure
      actual.push(Math.round(retryAfter ?? Number.NaN))
      await clock.advance(Math.ceil(retryAfter ?? 0))
    }

    expect(actual).toEqual(delays)
  })

  test('starts over after a success', async () => {
    const { clock, failLoad, load } = cached({ cacheTtl: 0 })
    await failLoad(throttled())
    await clock.advance(75)
    await failLoad(throttled())
    await clock.advance(150)
    await load('first')

    expect(await failLoad(throttled())).toMatchObject({ retryAfter: 75 })
  })

  test('is available as pausedFor', async () => {
    const { secret, clock, failLoad } = cached()
    const pauses = [secret.pausedFor]
    await failLoad(throttled())
    for (const ms of [0, 70, 70]) {
      await clock.advance(ms)
      pauses.push(secret.pausedFor)
    }

    expect(pauses).toEqual([0, 75, 5, 0])
  })

  test('delays the refresh of a stale value', async () => {
    const { clock, load, failLoad, get, fetches } = cached({ cacheTtl: 60_000 })
    await load('first')
    await clock.advance(60_000)
    await failLoad(throttled())

    await clock.advance(74)
    expect(await get()).toBe('first, stale')
    expect(fetches).toHaveLength(2)

    await clock.advance(1)
    expect(await get()).toBe('first, stale')
    expect(fetches).toHaveLength(3)
  })

  test('delays the refresh of a stale value after a failed reload, too', async () => {
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

  test('rejects with other errors unchanged', async () => {
    const { failLoad, get, fetches } = cached()
    const error = new Error('unknown')

    expect(await failLoad(error)).toBe(error)
    expect(await get().catch((error) => error)).toBe(error)
    expect(fetches).toHaveLength(1)
  })
})

describe('a negative result', () => {
  const absent = () => new SecretNotFound('thedoctor')

  test('is cached for negativeTtl', async () => {
    const { clock, failLoad, get, load, fetches } = cached({ negativeTtl: 2_000 })
    await failLoad(absent())

    await clock.advance(1_999)
    await expect(get()).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' })
    expect(fetches).toHaveLength(1)

    await clock.advance(1)
    expect(await load('first')).toBe('first, miss')
  })

  test('does not increase the delay until the next fetch', async () => {
    const { clock, failLoad, get, fetches } = cached({ negativeTtl: 2_000 })
    for (let count = 0; count < 5; count += 1) {
      await failLoad(absent())
      await clock.advance(2_000)
    }
    expect(fetches).toHaveLength(5)

    void get().catch(() => {})

    expect(fetches).toHaveLength(6)
  })

  test('resets the backoff', async () => {
    const { clock, failLoad } = cached({ negativeTtl: 2_000 })
    await failLoad(throttled())
    await clock.advance(75)
    await failLoad(absent())
    await clock.advance(2_000)

    expect(await failLoad(throttled())).toMatchObject({ retryAfter: 75 })
  })

  test('is not cached if negativeTtl is 0', async () => {
    const { failLoad, fetches } = cached({ negativeTtl: 0 })
    await failLoad(absent())
    await failLoad(absent())

    expect(fetches).toHaveLength(2)
  })
})

describe('reload', () => {
  test('fetches even if the value is fresh, and serves it in the meantime', async () => {
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

  test('fetches during the backoff', async () => {
    const { secret, failLoad, get, answer } = cached()
    await failLoad(throttled())

    const reloaded = secret.reload()
    await settled()
    await answer('first')
    await reloaded

    expect(await get()).toBe('first, hit')
  })

  test('waits for a fetch in progress, then fetches again', async () => {
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

  test('fetches again even if a fetch in progress fails', async () => {
    const { secret, get, fail, answer } = cached()
    const waiting = get().catch(() => {})

    const reloaded = secret.reload()
    await fail(throttled())
    await waiting
    await answer('after')
    await reloaded

    expect(await get()).toBe('after, hit')
  })

  test('fetches once for two calls during a fetch', async () => {
    const { secret, get, answer, fetches } = cached()
    void get()
    const reloads = Promise.all([secret.reload(), secret.reload()])

    await answer('before')
    await answer('after')
    await reloads

    expect(fetches).toHaveLength(2)
  })

  test.each(transientFailures)('fails and keeps the value while the source is %s', async (_, error) => {
    const { secret, load, get, fail } = cached({ cacheTtl: Infinity })
    await load('first')

    const reloaded = secret.reload().catch((error) => error)
    await settled()
    await fail(error)

    expect(await reloaded).toMatchObject({ message: error.message })
    expect(await get()).toBe('first, hit')
  })

  test.each(refusals)('drops the value when the source %s', async (_, error) => {
    const { secret, load, get, fail } = cached({ cacheTtl: Infinity })
    await load('first')

    const reloaded = secret.reload().catch((error) => error)
    await settled()
    await fail(error)

    expect(await reloaded).toMatchObject({ code: error.code })
    await expect(get()).rejects.toMatchObject({ code: error.code })
  })

  test('restarts the TTL', async () => {
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
  test('is missing before the first fetch, then fresh, then stale, then missing again', async () => {
    const { secret, clock, load } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
    const states = [secret.state]
    await load('first')
    for (const ms of [0, 60_000, 100_000]) {
      await clock.advance(ms)
      states.push(secret.state)
    }

    expect(states).toEqual(['missing', 'fresh', 'stale', 'missing'])
  })

  test('depends on the last fetch if caching is disabled', async () => {
    const { secret, clock, load, failLoad } = cached({ cacheTtl: 0 })
    const states = [secret.state]
    await load('first')
    states.push(secret.state)
    await failLoad(throttled())
    states.push(secret.state)
    await clock.advance(75)
    await load('second')
    states.push(secret.state)

    expect(states).toEqual(['missing', 'fresh', 'missing', 'fresh'])
  })

  test('is loaded after the first successful fetch, despite later failures', async () => {
    const { secret, clock, load, failLoad } = cached({ cacheTtl: 0 })
    await failLoad(throttled())
    expect(secret.loaded).toBe(false)
    await clock.advance(75)

    await load('first')
    await failLoad(failure('SOURCE_REFUSED'))

    expect(secret.loaded).toBe(true)
  })
})

describe('reads', () => {
  test('are counted by result', async () => {
    const { secret, clock, load, failLoad, get } = cached({
      cacheTtl: 60_000,
      maxStale: 100_000,
      negativeTtl: 2_000,
    })
    void get() // a miss
    await load('first') // coalesced with it
    await get() // a hit
    await clock.advance(60_000)
    await get() // stale
    await failLoad(throttled()) // stale again
    await clock.advance(100_000)
    await failLoad(throttled()) // a miss
    await get().catch(() => {}) // backoff
    await clock.advance(150)
    await failLoad(new SecretNotFound('thedoctor')) // a miss
    await get().catch(() => {}) // negative

    expect(secret.reads).toEqual({ hit: 1, stale: 2, miss: 3, coalesced: 1, negative: 1, backoff: 1 })
  })

  test('do not include fetches in the background', async () => {
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

  test('do not include queries of state and age', async () => {
    const { secret, load } = cached()
    await load('first')

    expect([secret.state, secret.age]).toEqual(['fresh', 0])
    expect(secret.reads).toMatchObject({ hit: 0, miss: 1 })
  })
})

describe('age', () => {
  test('is that of the served value, fresh or stale, and undefined without one', async () => {
    const { secret, clock, load } = cached({ cacheTtl: 60_000, maxStale: 100_000 })
    const ages = [secret.age]
    await load('first')
    for (const ms of [0, 1, 60_000, 99_998, 1]) {
      await clock.advance(ms)
      ages.push(secret.age)
    }

    expect(ages).toEqual([undefined, 0, 1, 60_001, 159_999, undefined])
  })

  test('counts from the time at which the source read the value', async () => {
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

  test('is that of the old value while refreshing fails, and undefined once it is revoked', async () => {
    const { secret, clock, load, failLoad } = cached({ cacheTtl: 60_000 })
    await load('first')
    await clock.advance(61_000)

    await failLoad(throttled())
    expect(secret.age).toBe(61_000)
    await clock.advance(75)
    await failLoad(failure('SOURCE_REFUSED'))

    expect(secret.age).toBeUndefined()
  })

  test('is undefined if caching is disabled', async () => {
    const { secret, load } = cached({ cacheTtl: 0 })

    await load('first')

    expect(secret.age).toBeUndefined()
  })
})
