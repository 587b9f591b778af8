import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Provider } from '../../../src/bus/bus.ts'
import { RequestTimeout } from '../../../src/bus/errors.ts'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { checkHealth, fetchSecret, getSecret } from '../../../src/channels.ts'
import { SecretNotFound, type SecretQuery, Sensitive, SourceFailure, type StoredSecret } from '../../../src/secret.ts'
import { type SecretCacheOptions, secretCache } from '../../../src/sources/cache/secret-cache.ts'
import { systemClock } from '../../../src/sources/clock.ts'
import { dynamodb } from '../../../src/sources/dynamodb/dynamodb.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { credentials, startDynamodb, table } from '../../support/dynamodb/dynamodb.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'

const defaults: SecretCacheOptions = {
  codeNames: ['thedoctor'],
  cacheTtl: Infinity,
  maxStale: 3_600_000,
  negativeTtl: 2_000,
  fetchTimeout: 5_000,
}

interface Fetch extends PromiseWithResolvers<StoredSecret> {
  readonly codeName: string
  readonly call: Parameters<Provider<SecretQuery, StoredSecret>>[1]
}

/** A cache, not started yet, whose source answers when it is told to. */
function cache(given: Partial<SecretCacheOptions> = {}, clock = new ManualClock()) {
  const fetches: Fetch[] = []
  const source: Subscriber = (bus) =>
    bus.provide(fetchSecret, ({ codeName }, call) => {
      const fetch = { codeName, call, ...Promise.withResolvers<StoredSecret>() }
      fetches.push(fetch)
      return fetch.promise
    })
  const recorded = recordedBus({ source, 'secret-cache': secretCache({ ...defaults, ...given }, clock) })
  const { bus } = recorded
  onTestFinished(async () => {
    await bus.exit()
  })
  const get = async (codeName = 'thedoctor', call = {}) => {
    const { value, freshness } = await bus.request(getSecret, { codeName }, call)
    return `${value.reveal()}, ${freshness.result}`
  }
  /** Has the fetch begun last answer. */
  const answer = async (value: string, fetch = fetches.at(-1)) => {
    fetch?.resolve({ codeName: fetch.codeName, value: new Sensitive(value), fetchedAt: clock.now() })
    await settled()
  }
  const fail = async (error: unknown, fetch = fetches.at(-1)) => {
    fetch?.reject(error)
    await settled()
  }
  const health = () => bus.publish(checkHealth)
  return { ...recorded, clock, fetches, get, answer, fail, health }
}

const throttled = (message = 'asked too often') => new SourceFailure('SOURCE_THROTTLED', message)
const refused = () => new SourceFailure('SOURCE_REFUSED', 'access denied')

describe('asking', () => {
  test('2,000 who ask at once cause one fetch', async () => {
    const { get, answer, fetches } = cache()
    const given = Promise.all(Array.from({ length: 2_000 }, () => get()))

    await answer('first')

    expect(await given).toEqual(['first, miss', ...Array(1_999).fill('first, coalesced')])
    expect(fetches).toHaveLength(1)
    expect(await get()).toBe('first, hit')
  })

  test.each(['themaster', '', 'THEDOCTOR', '__proto__', 'constructor'])(
    'the name %j, which is not served, is not found, without asking the source',
    async (codeName) => {
      const { get, fetches } = cache()

      await expect(get(codeName)).rejects.toMatchObject({ name: 'SecretNotFound' })

      expect(fetches).toHaveLength(0)
    },
  )

  test('every name has a value and a backoff of its own', async () => {
    const { get, answer, fail, fetches } = cache({ codeNames: ['rose', 'martha'] })
    const rose = get('rose').catch((error) => error)
    const martha = get('martha')
    await fail(throttled(), fetches[0])
    await answer('bad wolf', fetches[1])

    expect(await rose).toMatchObject({ code: 'SOURCE_THROTTLED' })
    expect(await martha).toBe('bad wolf, miss')
    expect(await get('martha')).toBe('bad wolf, hit')
  })

  test('who caused a fetch is known by it', async () => {
    const { get, fetches } = cache()

    void get('thedoctor', { id: 'request-1' }).catch(() => {})

    expect(fetches.map(({ codeName, call }) => `${codeName} for ${call.id}`)).toEqual(['thedoctor for request-1'])
  })

  test('who asks for what could not be fetched is told so at once, and when to ask again', async () => {
    const { get, fail, fetches } = cache()
    const first = get().catch((error) => error)
    await fail(throttled())
    await first

    await expect(get()).rejects.toMatchObject({ code: 'SOURCE_THROTTLED', retryAfter: 75 })

    expect(fetches).toHaveLength(1)
  })
})

describe('giving up', () => {
  test('who aborts does not end the fetch that others wait for', async () => {
    const { get, answer, fetches } = cache()
    const controller = new AbortController()
    const first = get('thedoctor', { signal: controller.signal }).catch((error) => error)
    const second = get()
    const reason = new Error('gone')

    controller.abort(reason)

    expect(await first).toBe(reason)
    expect(fetches[0]?.call.signal.aborted).toBe(false)
    await answer('first')
    expect(await second).toBe('first, coalesced')
    expect(fetches).toHaveLength(1)
  })

  test('who has no more time does not end the fetch, and it is kept though nobody waits any more', async () => {
    const { get, answer, fetches } = cache()

    await expect(get('thedoctor', { timeout: 1 })).rejects.toBeInstanceOf(RequestTimeout)

    expect(fetches[0]?.call.signal.aborted).toBe(false)
    await answer('first')
    expect(await get()).toBe('first, hit')
    expect(fetches).toHaveLength(1)
  })

  test('a fetch has its own time, whatever the deadline of who caused it', async () => {
    const { get, fetches } = cache({ fetchTimeout: 60_000 })
    const before = Date.now()

    void get('thedoctor', { deadline: before + 30_000 }).catch(() => {})

    expect(fetches[0]?.call.deadline).toBeGreaterThanOrEqual(before + 60_000)
  })

  test('a source that never answers has taken too long, and is then backed off from', async () => {
    const { get, fetches } = cache({ fetchTimeout: 20 })

    await expect(get()).rejects.toMatchObject({ name: 'SourceFailure', code: 'SOURCE_TIMEOUT', retryAfter: 75 })
    await expect(get()).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' })

    expect(fetches).toHaveLength(1)
    expect(fetches[0]?.call.signal.aborted).toBe(true)
  })
})

describe('at start', () => {
  test('every name is fetched in the background, and the start does not wait', async () => {
    const { bus, get, answer, fetches } = cache({ codeNames: ['rose', 'martha'] })

    await bus.start()

    expect(bus.state).toBe('STARTED')
    expect(fetches.map(({ codeName }) => codeName)).toEqual(['rose', 'martha'])
    await answer('bad wolf', fetches[0])
    expect(await get('rose')).toBe('bad wolf, hit')
  })

  test.each([
    ['fails', throttled()],
    ['refuses', refused()],
  ])('a name whose source %s is fetched again, with backoff, until it was there once', async (_, error) => {
    const { bus, clock, fail, answer, fetches } = cache()
    await bus.start()

    for (const [index, wait] of [75, 150, 300, 600].entries()) {
      await fail(error)
      await clock.advance(wait - 1)
      expect(fetches).toHaveLength(index + 1)
      await clock.advance(1)
      expect(fetches).toHaveLength(index + 2)
    }
    await answer('at last')

    expect(clock.sleeping).toEqual([])
  })

  test('a name that has no secret yet is fetched again until it has one', async () => {
    const { bus, clock, fail, answer, get, fetches } = cache({ negativeTtl: 0 })
    await bus.start()
    await fail(new SecretNotFound('thedoctor'))

    await clock.advance(75)
    expect(fetches).toHaveLength(2)
    await answer('at last')

    expect(await get()).toBe('at last, hit')
  })

  test('the stop ends that', async () => {
    const { bus, clock, fail, fetches } = cache()
    await bus.start()
    await fail(throttled())
    expect(clock.sleeping).toEqual([75])

    await bus.stop()
    await settled()

    expect(clock.sleeping).toEqual([])
    await clock.advance(60_000)
    expect(fetches).toHaveLength(1)
  })

  test('the stop ends that also while a fetch is under way', async () => {
    const { bus, clock, fail, fetches } = cache()
    await bus.start()

    await bus.stop()
    await fail(throttled())

    expect(clock.sleeping).toEqual([])
    expect(fetches).toHaveLength(1)
  })

  test('another start begins again', async () => {
    const { bus, clock, fail, answer, get, fetches } = cache()
    await bus.start()
    await fail(throttled())
    await bus.stop()
    await clock.advance(75)

    await bus.start()
    await settled()
    expect(fetches).toHaveLength(2)
    await answer('at last')

    expect(await get()).toBe('at last, hit')
  })
})

describe('graceful', () => {
  async function loaded(...codeNames: string[]) {
    const service = cache({ codeNames })
    await service.bus.start()
    for (const fetch of [...service.fetches]) await service.answer(`old ${fetch.codeName}`, fetch)
    return service
  }

  test('every value is fetched anew, and the old one served until the new one is there', async () => {
    const { bus, get, answer, fetches } = await loaded('rose', 'martha')

    const reloaded = bus.graceful()
    await settled()
    expect(fetches.slice(2).map(({ codeName }) => codeName)).toEqual(['rose', 'martha'])
    await answer('new rose', fetches[2])
    expect(await get('rose')).toBe('new rose, hit')
    expect(await get('martha')).toBe('old martha, hit')
    await answer('new martha', fetches[3])

    expect(await reloaded).toEqual([{ reloaded: ['rose', 'martha'] }])
    expect(await get('martha')).toBe('new martha, hit')
  })

  test('a fetch that fails keeps no other from succeeding, and the old value stays', async () => {
    const { bus, get, answer, fail, fetches } = await loaded('rose', 'martha')

    const reloaded = bus.graceful().catch((error) => error)
    await settled()
    await fail(throttled(), fetches[2])
    await answer('new martha', fetches[3])

    expect((await reloaded).errors).toMatchObject([{ code: 'SOURCE_THROTTLED' }])
    expect(await get('rose')).toBe('old rose, hit')
    expect(await get('martha')).toBe('new martha, hit')
  })

  test('it says all that failed', async () => {
    const { bus, fail, fetches } = await loaded('rose', 'martha')

    const reloaded = bus.graceful().catch((error) => error)
    await settled()
    await fail(throttled('too often'), fetches[2])
    await fail(refused(), fetches[3])

    expect((await reloaded).message).toMatch(/too often.*access denied/)
  })

  test('a value that was revoked is dropped at once', async () => {
    const { bus, get, fail } = await loaded('rose')

    const reloaded = bus.graceful().catch((error) => error)
    await settled()
    await fail(refused())
    await reloaded

    await expect(get('rose')).rejects.toMatchObject({ code: 'SOURCE_REFUSED' })
  })
})

describe('health', () => {
  const statuses = async (checks: ReturnType<ReturnType<typeof cache>['health']>) =>
    (await checks).map(({ name, status }) => `${name}: ${status}`)

  test('fails until every secret has been there once, then passes', async () => {
    const { bus, answer, fetches, health } = cache({ codeNames: ['rose', 'martha'] })
    await bus.start()
    expect(await statuses(health())).toEqual(['secret-cache: fail'])

    await answer('x', fetches[0])
    expect(await health()).toMatchObject([{ status: 'fail', output: expect.stringContaining('1 of 2') }])

    await answer('y', fetches[1])
    expect(await health()).toEqual([{ name: 'secret-cache', status: 'pass' }])
  })

  test('warns while a value is stale', async () => {
    const { bus, clock, answer, fail, get, health } = cache({ cacheTtl: 60_000 })
    await bus.start()
    await answer('x')
    await clock.advance(60_000)

    expect(await health()).toMatchObject([{ status: 'warn', output: expect.stringContaining('1 of 1') }])

    await get()
    await fail(throttled())
    expect(await statuses(health())).toEqual(['secret-cache: warn'])
  })

  test('warns, and never fails again, when a value is gone', async () => {
    const { bus, answer, fail, health } = cache()
    await bus.start()
    await answer('x')
    const reloaded = bus.graceful().catch(() => {})
    await settled()
    await fail(refused())
    await reloaded

    expect(await statuses(health())).toEqual(['secret-cache: warn'])
  })

  test('passes again when the value is', async () => {
    const { bus, clock, answer, get, health } = cache({ cacheTtl: 60_000 })
    await bus.start()
    await answer('x')
    await clock.advance(60_000)
    await get()
    await answer('y')

    expect(await statuses(health())).toEqual(['secret-cache: pass'])
  })

  test('asks nobody', async () => {
    const { fetches, health } = cache()

    await health()

    expect(fetches).toHaveLength(0)
  })
})

describe('log', () => {
  test('an outage is one warning however long it lasts, and its end one line', async () => {
    const { bus, clock, fail, answer, messages } = cache()
    await bus.start()
    for (const wait of [75, 150, 300]) {
      await fail(throttled())
      await clock.advance(wait)
    }
    await answer('at last')

    expect(messages('warn')).toEqual(['Secret thedoctor was not fetched: asked too often'])
    expect(messages('info').filter((message) => message.startsWith('Secret'))).toEqual([
      'Secret thedoctor is fetched again',
    ])
  })

  test('an outage that shows in two ways by turns is one warning for each', async () => {
    const { bus, clock, fail, messages } = cache()
    await bus.start()

    for (const reason of ['asked too often', 'too slow', 'asked too often', 'too slow']) {
      await fail(throttled(reason))
      await clock.advance(30_000)
    }

    expect(messages('warn')).toEqual([
      'Secret thedoctor was not fetched: asked too often',
      'Secret thedoctor was not fetched: too slow',
    ])
  })

  test('the next outage is a warning again', async () => {
    const { bus, clock, fail, answer, messages, get } = cache({ cacheTtl: 60_000 })
    await bus.start()
    await fail(throttled())
    await clock.advance(75)
    await answer('x')
    await clock.advance(60_000)
    await get()
    await fail(throttled())

    expect(messages('warn')).toHaveLength(2)
  })

  test('a fetch that the stop cuts off is no outage', async () => {
    const { bus, fail, messages } = cache()
    await bus.start()

    await bus.stop()
    await fail(new SourceFailure('SOURCE_UNAVAILABLE', 'the client is closed'))

    expect(messages('warn')).toEqual([])
  })

  test('where nothing failed nothing is said', async () => {
    const { bus, answer, records } = cache()
    await bus.start()
    await answer('x')

    expect(records.filter(({ message }) => message.includes('ecret'))).toEqual([])
  })

  test('a failure is logged with its cause and with who caused the fetch', async () => {
    const { get, fail, records } = cache()
    const error = throttled()
    const first = get('thedoctor', { id: 'request-1' }).catch(() => {})
    await fail(error)
    await first

    const logged = records.find(({ level }) => level === 'warn')

    expect(logged?.fields).toMatchObject({ codeName: 'thedoctor', reqId: 'request-1', err: error })
  })

  test('a value is never in it', async () => {
    const { bus, clock, answer, fail, get, records } = cache({ cacheTtl: 60_000 })
    await bus.start()
    await answer('classified')
    await clock.advance(60_000)
    await get()
    await fail(throttled())
    await clock.advance(75)
    await get()
    await answer('classified too')

    expect(inspect(records, { depth: 10, showHidden: true })).not.toContain('classified')
  })
})

describe('with a real table', () => {
  test('a value is read once, anew when told to, and dropped when it is no longer there', async () => {
    const emulator = await startDynamodb()
    onTestFinished(emulator.close)
    for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
    onTestFinished(() => {
      vi.unstubAllEnvs()
    })
    await emulator.putSecret('thedoctor', 'first')
    const source = dynamodb({
      table,
      keyAttribute: 'code_name',
      valueAttribute: 'secret_code',
      consistentRead: false,
      dynamodbEndpoint: emulator.endpoint,
      connectTimeout: 1_000,
      requestTimeout: 1_000,
      maxAttempts: 1,
    })
    const { bus } = recordedBus({ dynamodb: source, 'secret-cache': secretCache(defaults, systemClock) })
    onTestFinished(async () => {
      await bus.exit()
    })
    const get = async () => (await bus.request(getSecret, { codeName: 'thedoctor' })).value.reveal()
    await bus.start()

    expect([await get(), await get()]).toEqual(['first', 'first'])
    await emulator.putSecret('thedoctor', 'second')
    expect(await get()).toBe('first')
    await bus.graceful()
    expect(await get()).toBe('second')
    await emulator.deleteSecret('thedoctor')
    await expect(bus.graceful()).rejects.toThrow()
    await expect(get()).rejects.toMatchObject({ name: 'SecretNotFound' })

    expect(emulator.reads).toHaveLength(3)
  })
})
