import { describe, expect, test } from 'vitest'
import { type Limiter, limiter } from '../../../src/bus/process/limiter.ts'
import type { CacheDirectives, Freshness } from '../../../src/freshness.ts'
import { SecretNotFound, SourceFailure, type SourceFailureCode } from '../../../src/secret.ts'
import { CachedValue, type Read } from '../../../src/sources/cache/cached-value.ts'
import { type CachePolicy, resolvePolicy } from '../../../src/sources/cache/policy.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'

const policy: CachePolicy = { ttl: 60_000, maxStale: 3_600_000, negativeTtl: 2_000 }
const almostOne = 1 - Number.EPSILON

type Fetch = Pick<Read, 'timeout'> & { readonly id: string | undefined } & PromiseWithResolvers<string>

const codeOf = (error: unknown) => (error as { code?: unknown }).code

/** A cached value with a source that responds on demand. */
function cached(options: Partial<CachePolicy> = {}, limit = limiter(10)) {
  const clock = new ManualClock()
  const fetches: Fetch[] = []
  const fetch = ({ read, timeout }: Read) => {
    const answer = { id: read.call?.id, timeout, ...Promise.withResolvers<string>() }
    fetches.push(answer)
    return answer.promise
  }
  const reply = (value: string, freshness: Freshness) => ({ value, freshness })
  const isAbsent = (error: unknown) => codeOf(error) === 'SECRET_NOT_FOUND'
  const isRevoked = (error: unknown) => codeOf(error) === 'SOURCE_REFUSED'
  const source = { label: { cache: 'secret', key: 'key' }, fetch, limit, reply, isAbsent, isRevoked }
  const secret = new CachedValue(source, resolvePolicy({ ...policy, ...options }, true), clock)
  /** Requests the value; returns it with the result. */
  const get = async (directives: CacheDirectives = {}, id?: string) => {
    const { value, freshness } = await secret.get(directives, { id })
    return `${value}, ${freshness.result}`
  }
  /** Makes the last read succeed. */
  const answer = async (value: string) => {
    fetches.at(-1)?.resolve(value)
    await settled()
  }
  /** Makes the last read fail. */
  const fail = async (error: unknown) => {
    fetches.at(-1)?.reject(error)
    await settled()
  }
  /** Requests the value and makes the read succeed. */
  const load = async (value: string, directives?: CacheDirectives) => {
    const reply = get(directives)
    await answer(value)
    return reply
  }
  /** Requests the value and makes the read fail. Returns the error, or what is served instead. */
  const failLoad = async (error: unknown, directives?: CacheDirectives) => {
    const failure = get(directives).catch((error) => error)
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

/** Makes each read wait for its turn. */
const delayedBy = (clock: () => ManualClock, ms: number): Limiter => {
  return async (task) => {
    await clock().sleep(ms, new AbortController().signal)
    return task()
  }
}

/** Runs one read at a time. */
const oneAfterAnother = () => limiter(1)

describe('the TTL', () => {
  test('counts from when the read was sent', async () => {
    const { secret, clock, get, answer, load } = cached({ ttl: 60_000 })
    const reply = secret.get({}, undefined)
    await clock.advance(2_000)
    await answer('first')
    expect((await reply).freshness).toMatchObject({ age: 2_000, ttl: 58_000 })

    await clock.advance(57_999)
    expect(await get()).toBe('first, hit')
    await clock.advance(1)
    expect(await load('second')).toBe('second, miss')
  })

  test('counts from the turn of a read that had to wait', async () => {
    const { secret, clock, fetches, answer } = cached(
      { ttl: 60_000 },
      delayedBy(() => clock, 1_500),
    )
    const reply = secret.get({}, undefined)
    await settled()
    await clock.advance(1_500)
    expect(fetches.map(({ timeout }) => timeout)).toEqual([3_500])
    await answer('first')

    expect((await reply).freshness.age).toBe(0)
  })

  test('can be infinite', async () => {
    const { clock, fetches, load, get } = cached({ ttl: Infinity })

    expect(await load('first')).toBe('first, miss')
    await clock.advance(100 * 365 * 86_400_000)

    expect(await get()).toBe('first, hit')
    expect(fetches).toHaveLength(1)
  })

  test('allows synchronous hits', async () => {
    const { secret, load } = cached()
    await load('first')

    expect(secret.get({}, undefined)).not.toBeInstanceOf(Promise)
  })

  test('disables caching if it is 0', async () => {
    const { load, fetches } = cached({ ttl: 0 })

    expect(await load('first')).toBe('first, miss')
    expect(await load('second')).toBe('second, miss')
    expect(fetches).toHaveLength(2)
  })

  test('does not affect the sharing of a fetch if it is 0', async () => {
    const { get, answer, fetches } = cached({ ttl: 0 })
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
    const { secret, clock, load, fail } = cached({ ttl: 60_000, maxStale: 100_000 })
    await load('first')
    const reloaded = secret.reload().catch(() => {})
    await fail(throttled())
    await reloaded
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

  test('does not affect the backoff', async () => {
    const { secret, clock, failLoad, load } = cached()
    await failLoad(throttled())

    clock.setWallClock(jump)

    expect(secret.pausedFor).toBe(75)
    await clock.advance(75)
    expect(await load('first')).toBe('first, miss')
  })
})

describe('single flight', () => {
  test('makes one fetch for concurrent reads, with the id of the first one', async () => {
    const { get, answer, fetches } = cached()
    const replies = Promise.all(Array.from({ length: 100 }, (_, index) => get({}, `request-${index}`)))

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

describe('a value past its TTL', () => {
  test('is not served: the request waits for a read', async () => {
    const { clock, load, fetches } = cached({ ttl: 60_000 })
    await load('first')
    await clock.advance(60_000)

    expect(await load('second')).toBe('second, miss')
    expect(fetches).toHaveLength(2)
  })

  test.each(transientFailures)('is served once a read has failed because the source is %s', async (_, error) => {
    const { clock, load, get, failLoad, fetches } = cached()
    await load('first')
    await clock.advance(60_000)

    expect(await failLoad(error)).toBe('first, stale')
    expect(await get()).toBe('first, stale')
    expect(fetches).toHaveLength(2)
  })

  test('is served without waiting if the refresh before has failed', async () => {
    const { secret, clock, load, get, fail } = cached()
    await load('first')
    await clock.advance(48_000)
    const refreshed = secret.refresh().catch(() => {})
    await fail(throttled())
    await refreshed

    await clock.advance(12_000)

    expect(await get()).toBe('first, stale')
  })

  test('is served only during the backoff if the TTL is not refreshed in the background', async () => {
    const { clock, load, failLoad, get } = cached({ ttl: 100, minRefreshInterval: 1_000 })
    await load('first')
    await clock.advance(100)
    expect(await failLoad(throttled())).toBe('first, stale')
    await clock.advance(74)
    expect(await get()).toBe('first, stale')
    await clock.advance(1)

    expect(await load('second')).toBe('second, miss')
  })

  test('is not served any longer after one successful read', async () => {
    const { clock, load, failLoad, answer, get } = cached()
    await load('first')
    await clock.advance(60_000)
    await failLoad(throttled())
    await clock.advance(75)
    expect(await get()).toBe('first, stale') // causes a read

    await answer('second')
    expect(await get()).toBe('second, hit')

    await clock.advance(60_000)
    expect(await load('third')).toBe('third, miss')
  })

  test.each(refusals)('is dropped when the source %s', async (_, error) => {
    const { clock, load, get, failLoad } = cached()
    await load('first')
    await clock.advance(60_000)

    expect(await failLoad(error)).toMatchObject({ code: error.code })

    await expect(get()).rejects.toMatchObject({ code: error.code })
  })

  test.each(refusals)('is not restored by a later timeout after the source %s', async (_, error) => {
    const { clock, load, get, failLoad } = cached({ negativeTtl: 75 })
    await load('first')
    await clock.advance(60_000)
    await failLoad(error)
    await clock.advance(75)

    expect(await failLoad(failure('SOURCE_TIMEOUT'))).toMatchObject({ code: 'SOURCE_TIMEOUT' })

    await expect(get()).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' })
  })

  test('is dropped at the end of maxStale despite failed reads in between', async () => {
    const { clock, load, failLoad, get } = cached({ ttl: 60_000, maxStale: 100_000 })
    await load('first')
    await clock.advance(60_000)
    await failLoad(throttled())
    await clock.advance(50_000)
    await failLoad(throttled())

    await clock.advance(49_999)
    expect(await get()).toBe('first, stale')
    await clock.advance(1)

    expect(await failLoad(throttled())).toMatchObject({ code: 'SOURCE_THROTTLED' })
  })

  test('is not kept longer because of a failed reload', async () => {
    const { secret, clock, load, get, fail, failLoad } = cached({ ttl: 60_000, maxStale: 100_000 })
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

  test('is never served if maxStale is 0', async () => {
    const { clock, load } = cached({ ttl: 60_000, maxStale: 0 })
    await load('first')
    await clock.advance(60_000)

    expect(await load('second')).toBe('second, miss')
  })

  test('is served forever if maxStale is infinite', async () => {
    const { clock, load, failLoad, get } = cached({ ttl: 60_000, maxStale: Infinity })
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
    const { clock, failLoad, load } = cached({ ttl: 0 })
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

  test('delays the refresh of a stale value after a failed reload, too', async () => {
    const { secret, clock, load, get, fail, fetches } = cached({ ttl: 60_000 })
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
  test('does not share a read that was sent before, whose later outcome is obsolete', async () => {
    const { secret, clock, get, fetches } = cached()
    const waiting = get()
    await clock.advance(10)

    const reloaded = secret.reload()
    expect(fetches).toHaveLength(2)
    fetches[1]?.resolve('after')
    await reloaded
    expect(await get()).toBe('after, hit')
    fetches[0]?.resolve('before')

    expect(await waiting).toBe('before, miss')
    expect(await get()).toBe('after, hit')
  })

  test('is not affected by the later failure of an earlier read, nor is who waits for that', async () => {
    const { secret, clock, get, fetches } = cached()
    const waiting = get()
    await clock.advance(10)
    const reloaded = secret.reload()
    fetches[1]?.resolve('after')
    await reloaded

    fetches[0]?.reject(new SecretNotFound('thedoctor'))

    expect(await waiting).toBe('after, hit')
    expect([await get(), secret.state]).toEqual(['after, hit', 'fresh'])
  })

  test('shares a read that is yet to be sent', async () => {
    const { secret, get, answer, fetches } = cached({}, oneAfterAnother())
    const first = get()
    const reloads = Promise.all([secret.reload(), secret.reload()])
    await answer('before')
    await answer('after')
    await reloads

    expect(await first).toBe('before, miss')
    expect([await get(), fetches.length]).toEqual(['after, hit', 2])
  })

  test('fetches even if the value is fresh, and serves it in the meantime', async () => {
    const { secret, load, get, answer, fetches } = cached({ ttl: Infinity })
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

  test.each(transientFailures)('fails and keeps the value while the source is %s', async (_, error) => {
    const { secret, load, get, fail } = cached({ ttl: Infinity })
    await load('first')

    const reloaded = secret.reload().catch((error) => error)
    await settled()
    await fail(error)

    expect(await reloaded).toMatchObject({ message: error.message })
    expect(await get()).toBe('first, hit')
  })

  test.each(refusals)('drops the value when the source %s', async (_, error) => {
    const { secret, load, get, fail } = cached({ ttl: Infinity })
    await load('first')

    const reloaded = secret.reload().catch((error) => error)
    await settled()
    await fail(error)

    expect(await reloaded).toMatchObject({ code: error.code })
    await expect(get()).rejects.toMatchObject({ code: error.code })
  })

  test('restarts the TTL', async () => {
    const { secret, clock, load, get, answer } = cached({ ttl: 60_000 })
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
  test('is missing before the first read, then fresh, and after a failure stale, then missing', async () => {
    const { secret, clock, load, failLoad } = cached({ ttl: 60_000, maxStale: 100_000 })
    const states = [secret.state]
    await load('first')
    states.push(secret.state)
    await clock.advance(60_000)
    states.push(secret.state) // no request, no failure
    await failLoad(throttled())
    states.push(secret.state)
    await clock.advance(100_000)
    states.push(secret.state)

    expect(states).toEqual(['missing', 'fresh', 'fresh', 'stale', 'missing'])
  })

  test('depends on the last fetch if caching is disabled', async () => {
    const { secret, clock, load, failLoad } = cached({ ttl: 0 })
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
    const { secret, clock, load, failLoad } = cached({ ttl: 0 })
    await failLoad(throttled())
    expect(secret.loaded).toBe(false)
    await clock.advance(75)

    await load('first')
    await failLoad(failure('SOURCE_REFUSED'))

    expect(secret.loaded).toBe(true)
  })
})

describe('results', () => {
  test('are counted once per request', async () => {
    const { secret, clock, load, failLoad, get } = cached({ ttl: 60_000, maxStale: 100_000, negativeTtl: 2_000 })
    void get() // a miss
    await load('first') // coalesced with it
    await get() // a hit
    await clock.advance(60_000)
    await failLoad(throttled()) // a miss
    await get() // stale
    await clock.advance(100_000)
    await failLoad(throttled()) // a miss
    await get().catch(() => {}) // backoff
    await clock.advance(150)
    await failLoad(new SecretNotFound('thedoctor')) // a miss
    await get().catch(() => {}) // negative

    expect(secret.results).toEqual({ hit: 1, stale: 1, miss: 4, coalesced: 1, negative: 1, backoff: 1 })
  })

  test('do not include fetches in the background', async () => {
    const { secret, answer } = cached()
    const loaded = secret.refresh()
    await answer('first')
    await loaded
    const reloaded = secret.reload()
    await settled()
    await answer('second')
    await reloaded

    expect(Object.values(secret.results)).toEqual([0, 0, 0, 0, 0, 0])
  })

  test('do not include queries of state and age', async () => {
    const { secret, load } = cached()
    await load('first')

    expect([secret.state, secret.age]).toEqual(['fresh', 0])
    expect(secret.results).toMatchObject({ hit: 0, miss: 1 })
  })
})

describe('age', () => {
  test('is that of the value that may be served, and undefined without one', async () => {
    const { secret, clock, load } = cached({ ttl: 60_000, maxStale: 100_000 })
    const ages = [secret.age]
    await load('first')
    for (const ms of [0, 1, 60_000, 99_998, 1]) {
      await clock.advance(ms)
      ages.push(secret.age)
    }

    expect(ages).toEqual([undefined, 0, 1, 60_001, 159_999, undefined])
  })

  test('is undefined once the value is revoked', async () => {
    const { secret, clock, load, failLoad } = cached({ ttl: 60_000 })
    await load('first')
    await clock.advance(61_000)

    await failLoad(failure('SOURCE_REFUSED'))

    expect(secret.age).toBeUndefined()
  })

  test('is undefined if caching is disabled', async () => {
    const { secret, load } = cached({ ttl: 0 })

    await load('first')

    expect(secret.age).toBeUndefined()
  })
})

describe('maxAge', () => {
  test('0 forces a read, although the value is fresh', async () => {
    const { secret, clock, load, answer } = cached()
    await load('first')
    await clock.advance(1_000)

    const reply = secret.get({ maxAge: 0 }, undefined)
    await answer('second')

    expect(await reply).toMatchObject({ value: 'second', freshness: { result: 'miss', forward: 'request', age: 0 } })
  })

  test('accepts a value that was read less than the minimum refresh interval ago', async () => {
    const { clock, load, get, fetches } = cached({ minRefreshInterval: 1_000 })
    await load('first')
    await clock.advance(999)

    expect(await get({ maxAge: 0 })).toBe('first, hit')
    expect(fetches).toHaveLength(1)
  })

  test('makes one read for a thousand requests, and none for those within the interval after', async () => {
    const { clock, load, get, answer, fetches } = cached({ minRefreshInterval: 1_000 })
    await load('first')
    await clock.advance(5_000)
    const requests = () => Array.from({ length: 1_000 }, () => get({ maxAge: 0 }))

    const replies = requests()
    await answer('second')

    expect((await Promise.all(replies)).slice(0, 2)).toEqual(['second, miss', 'second, coalesced'])
    await clock.advance(900)
    expect(new Set(await Promise.all(requests()))).toEqual(new Set(['second, hit']))
    expect(fetches).toHaveLength(2)
  })

  test('does not join a read that was sent before, unless less than the interval ago', async () => {
    const { clock, get, fetches } = cached({ minRefreshInterval: 1_000 })
    const plain = get()
    await clock.advance(999)
    const joining = get({ maxAge: 0 })
    await clock.advance(1)

    const forced = get({ maxAge: 0 })
    expect(fetches).toHaveLength(2)
    fetches[0]?.resolve('before')
    fetches[1]?.resolve('after')

    expect(await Promise.all([plain, joining, forced])).toEqual(['before, miss', 'before, coalesced', 'after, miss'])
  })

  test.each([
    [4_999, 'first, hit'],
    [5_000, 'second, miss'],
  ])('of 5 s, with a value of %i ms, gets %s', async (age, expected) => {
    const { clock, load } = cached()
    await load('first')
    await clock.advance(age)

    expect(await load('second', { maxAge: 5_000 })).toBe(expected)
  })

  test('beyond the TTL does not extend it', async () => {
    const { clock, load } = cached({ ttl: 60_000 })
    await load('first')
    await clock.advance(60_000)

    expect(await load('second', { maxAge: Infinity })).toBe('second, miss')
  })

  test('gets the error in an outage, not an older value', async () => {
    const { clock, load, failLoad, get } = cached()
    await load('first')
    await clock.advance(30_000)

    expect(await failLoad(throttled(), { maxAge: 5_000 })).toMatchObject({ code: 'SOURCE_THROTTLED' })
    await expect(get({ maxAge: 0 })).rejects.toMatchObject({ retryAfter: 75 }) // no read during the backoff

    expect(await get()).toBe('first, hit')
  })

  test('is not satisfied by a negative result that is too old', async () => {
    const { clock, failLoad, load, get, fetches } = cached({ negativeTtl: 10_000 })
    await failLoad(new SecretNotFound('thedoctor'))
    await clock.advance(999)
    await expect(get({ maxAge: 0 })).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' })
    expect(fetches).toHaveLength(1)
    await clock.advance(1)

    expect(await load('first', { maxAge: 0 })).toBe('first, miss')
  })

  test('that is not a number forces a read', async () => {
    const { clock, load } = cached()
    await load('first')
    await clock.advance(1_000)

    expect(await load('second', { maxAge: Number.NaN })).toBe('second, miss')
  })
})

describe('maxStale', () => {
  test.each<[CacheDirectives, string | undefined]>([
    [{}, 'first, stale'],
    [{ maxStale: Infinity }, 'first, stale'],
    [{ maxStale: 10_001 }, 'first, stale'],
    [{ maxStale: 10_000 }, undefined],
    [{ maxStale: 0 }, undefined],
    [{ maxAge: 5_000, maxStale: 65_001 }, 'first, stale'],
    [{ maxAge: 5_000, maxStale: 65_000 }, undefined],
  ])('%j decides about a value 10 s past its TTL while reading fails', async (directives, expected) => {
    const { clock, load, failLoad, get } = cached({ ttl: 60_000, maxStale: 100_000 })
    await load('first')
    await clock.advance(70_000)
    await failLoad(throttled())

    expect(await get(directives).catch(() => undefined)).toBe(expected)
  })

  test('does not serve a value past its TTL while reading succeeds', async () => {
    const { clock, load } = cached({ ttl: 60_000, maxStale: 100_000 })
    await load('first')
    await clock.advance(60_000)

    expect(await load('second', { maxStale: Infinity })).toBe('second, miss')
  })

  test.each([0, 500])('of 0 joins a read sent less than the interval ago, with a TTL of %d ms', async (ttl) => {
    const { clock, get, answer, fetches } = cached({ ttl, minRefreshInterval: 1_000 })
    const first = get({ maxStale: 0 })
    await clock.advance(999)
    const second = get({ maxStale: 0 })
    await answer('first')

    expect([await first, await second]).toEqual(['first, miss', 'first, coalesced'])
    expect(fetches).toHaveLength(1)
  })

  test('never extends what the cache may serve', async () => {
    const { clock, load, failLoad } = cached({ ttl: 60_000, maxStale: 10_000 })
    await load('first')
    await clock.advance(70_000)

    expect(await failLoad(throttled(), { maxStale: Infinity })).toMatchObject({ code: 'SOURCE_THROTTLED' })
  })

  test.each([
    [14_999, 'first, hit'],
    [15_000, 'second, miss'],
  ])('of 10 s counts from a maxAge of 5 s: with a value of %i ms, gets %s', async (age, expected) => {
    const { clock, load } = cached({ maxStale: 0 })
    await load('first')
    await clock.advance(age)

    expect(await load('second', { maxAge: 5_000, maxStale: 10_000 })).toBe(expected)
  })
})

describe('onlyIfCached', () => {
  test('gets a cached value, and never causes or awaits a read', async () => {
    const { clock, load, get, failLoad, fetches } = cached({ ttl: 60_000, maxStale: 100_000 })
    const outcome = () => get({ onlyIfCached: true }).catch(codeOf)
    const outcomes = [await outcome()]
    await load('first')
    outcomes.push(await outcome())
    await clock.advance(60_000)
    outcomes.push(await outcome())
    await failLoad(throttled())
    outcomes.push(await outcome())

    expect(outcomes).toEqual(['NOT_CACHED', 'first, hit', 'NOT_CACHED', 'first, stale'])
    expect(fetches).toHaveLength(2)
  })

  test('with maxAge 0 gets a value that was read within the minimum refresh interval', async () => {
    const { clock, load, get } = cached({ minRefreshInterval: 1_000 })
    await load('first')
    await clock.advance(999)
    expect(await get({ onlyIfCached: true, maxAge: 0 })).toBe('first, hit')
    await clock.advance(1)

    await expect(get({ onlyIfCached: true, maxAge: 0 })).rejects.toMatchObject({ code: 'NOT_CACHED' })
  })
})

describe('the reason of a read', () => {
  test.each<[reason: string, age: number, CacheDirectives]>([
    ['request', 59_999, { maxAge: 1_000 }],
    ['stale', 60_000, {}],
    ['stale', 60_000, { maxAge: 1_000 }],
  ])('is %s after %i ms with %j', async (reason, age, directives) => {
    const { secret, clock, load, answer } = cached({ ttl: 60_000 })
    await load('first')
    await clock.advance(age)

    const replies = [secret.get(directives, undefined), secret.get(directives, undefined)]
    await answer('second')

    expect((await Promise.all(replies)).map(({ freshness }) => [freshness.result, freshness.forward])).toEqual([
      ['miss', reason],
      ['coalesced', reason],
    ])
  })

  test('is uri-miss without a value', async () => {
    const { secret, answer } = cached()
    const reply = secret.get({ maxAge: 0 }, undefined)
    await answer('first')

    expect((await reply).freshness.forward).toBe('uri-miss')
  })
})

describe('the reply', () => {
  test('is built once and shared by all hits, with the age at the time of reading it', async () => {
    const { secret, clock, load } = cached({ ttl: 60_000 })
    await load('first')
    const first = await secret.get({}, undefined)
    await clock.advance(1_000)

    expect(await secret.get({}, undefined)).toBe(first)
    expect(first.freshness).toMatchObject({ age: 1_000, ttl: 59_000 })
  })
})

describe('a refresh', () => {
  test.each([
    [0, 42_000],
    [0.5, 48_000],
    [almostOne, 54_000],
  ])('is due between 70% and 90%% of the TTL, with the random number %d after %i ms', async (random, due) => {
    const { secret, clock, load, answer, fetches } = cached({ ttl: 60_000 })
    clock.randomValue = random
    await load('first')

    expect(Math.round(secret.refreshIn)).toBe(due)
    await clock.advance(due - 1)
    await secret.refresh()
    expect(fetches).toHaveLength(1)
    await clock.advance(1)
    const refreshed = secret.refresh()
    await answer('second')
    await refreshed

    expect(fetches).toHaveLength(2)
  })

  test.each([
    ['at least the fetch timeout before the end of the TTL', 20_000, 15_000],
    ['up to 90% of a TTL that is too short for that', 10_000, 9_000],
  ])('is due %s', async (_, ttl, latest) => {
    const { secret, clock, load } = cached({ ttl, fetchTimeout: 5_000 })
    clock.randomValue = almostOne
    await load('first')

    expect(Math.round(secret.refreshIn)).toBe(latest)
  })

  test.each([
    ['forever', Infinity],
    ['0', 0],
    ['shorter than the minimum refresh interval', 999],
  ])('is due only until the first success if the TTL is %s', async (_, ttl) => {
    const { secret, load } = cached({ ttl, minRefreshInterval: 1_000 })
    expect(secret.refreshIn).toBe(0)
    await load('first')

    expect(secret.refreshIn).toBe(Infinity)
  })

  test('is due later after a forced read', async () => {
    const { secret, clock, load } = cached({ ttl: 60_000 })
    await load('first')
    await clock.advance(40_000)
    await load('second', { maxAge: 0 })

    expect(secret.refreshIn).toBe(48_000)
  })
})

describe('the timeout of a read', () => {
  test.each([
    [60_000, 5_000],
    [2_000, 2_000],
    [100, 1_000],
    [0, 5_000],
    [Infinity, 5_000],
  ])('with a TTL of %d ms is %i ms, so that no value arrives too old', (ttl, timeout) => {
    const { get, fetches } = cached({ ttl, fetchTimeout: 5_000, minRefreshInterval: 1_000 })
    void get()

    expect(fetches[0]?.timeout).toBe(timeout)
  })
})

describe('a policy', () => {
  test.each<Partial<CachePolicy>>([
    { ttl: -1 },
    { ttl: Number.NaN },
    { maxStale: -1 },
    { negativeTtl: Number.NaN },
    { fetchTimeout: 0 },
    { minRefreshInterval: 0 },
    { maxEntries: 0 },
  ])('%j is refused', (invalid) => {
    const [name = ''] = Object.keys(invalid)

    expect(() => resolvePolicy({ ttl: 0, ...invalid }, true)).toThrow(new RegExp(`^${name} must be `))
  })
})

describe('expire', () => {
  test('causes a read by the next request, which later ones share', async () => {
    const { secret, clock, fetches, get, load, answer } = cached()
    await load('old')
    secret.expire()
    await clock.advance(1)

    const replies = Promise.all([get(), get()])
    await answer('new')

    expect(await replies).toEqual(['new, miss', 'new, coalesced'])
    expect(await get()).toBe('new, hit')
    expect(fetches).toHaveLength(2)
  })

  test('does not accept a read that was sent before', async () => {
    const { secret, clock, fetches, get, answer } = cached()
    const before = get()
    await clock.advance(1)
    secret.expire()
    await clock.advance(1)

    const after = get()
    await answer('new')
    fetches[0]?.resolve('old')

    expect(await before).toBe('old, miss')
    expect(await after).toBe('new, miss')
    expect(await get()).toBe('new, hit')
  })

  test('expires a value that arrives later from a read that was sent before', async () => {
    const { secret, clock, get, load, answer } = cached()
    const before = get()
    await clock.advance(1)
    secret.expire()
    await answer('old')
    await clock.advance(1)

    expect(await before).toBe('old, miss')
    expect(await load('new')).toBe('new, miss')
  })

  test.each([
    ['reading is paused', throttled()],
    ['the absence is cached', new SecretNotFound('thedoctor')],
  ])('causes a read although %s', async (_case, error) => {
    const { secret, clock, load, failLoad } = cached()
    await failLoad(error)
    await clock.advance(1)
    secret.expire()

    expect(await load('new')).toBe('new, miss')
  })
})
