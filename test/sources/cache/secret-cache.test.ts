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

/** A cache with a source that responds on demand, not started yet. */
function cache(options: Partial<SecretCacheOptions> = {}, clock = new ManualClock()) {
  const fetches: Fetch[] = []
  const source: Subscriber = (bus) =>
    bus.provide(fetchSecret, ({ codeName }, call) => {
      const fetch = { codeName, call, ...Promise.withResolvers<StoredSecret>() }
      fetches.push(fetch)
      return fetch.promise
    })
  const recorded = recordedBus({ source, 'secret-cache': secretCache({ ...defaults, ...options }, clock) })
  const { bus } = recorded
  onTestFinished(async () => {
    await bus.exit()
  })
  const get = async (codeName = 'thedoctor', call = {}) => {
    const { value, freshness } = await bus.request(getSecret, { codeName }, call)
    return `${value.reveal()}, ${freshness.result}`
  }
  /** Makes a fetch succeed; by default the last one. */
  const answer = async (value: string, fetch = fetches.at(-1)) => {
    fetch?.resolve({ codeName: fetch.codeName, value: new Sensitive(value) })
    await settled()
  }
  /** Makes a fetch fail; by default the last one. */
  const fail = async (error: unknown, fetch = fetches.at(-1)) => {
    fetch?.reject(error)
    await settled()
  }
  const health = () => bus.publish(checkHealth)
  return { ...recorded, clock, fetches, get, answer, fail, health }
}

/** Makes reads of a cache fail until the next pause is 22.5 s. */
async function failForLong({ clock, fail }: Pick<ReturnType<typeof cache>, 'clock' | 'fail'>) {
  for (const pause of [75, 150, 300, 600, 1_200, 2_400, 4_800, 9_600, 19_200]) {
    await fail(throttled())
    await clock.advance(pause)
  }
  await fail(throttled())
}

const throttled = (message = 'too many requests') => new SourceFailure('SOURCE_THROTTLED', message)
const refused = () => new SourceFailure('SOURCE_REFUSED', 'access denied')

describe('a request', () => {
  test('shares a fetch with 2,000 concurrent ones', async () => {
    const { get, answer, fetches } = cache()
    const replies = Promise.all(Array.from({ length: 2_000 }, () => get()))

    await answer('first')

    expect(await replies).toEqual(['first, miss', ...Array(1_999).fill('first, coalesced')])
    expect(fetches).toHaveLength(1)
    expect(await get()).toBe('first, hit')
  })

  test.each(['themaster', '', 'THEDOCTOR', '__proto__', 'constructor'])(
    'for the name %j, which is not served, fails without a fetch',
    async (codeName) => {
      const { get, fetches } = cache()

      await expect(get(codeName)).rejects.toMatchObject({ name: 'SecretNotFound' })

      expect(fetches).toHaveLength(0)
    },
  )

  test('for one secret is not affected by the backoff of another', async () => {
    const { get, answer, fail, fetches } = cache({ codeNames: ['rose', 'martha'] })
    const rose = get('rose').catch((error) => error)
    const martha = get('martha')
    await fail(throttled(), fetches[0])
    await answer('bad wolf', fetches[1])

    expect(await rose).toMatchObject({ code: 'SOURCE_THROTTLED' })
    expect(await martha).toBe('bad wolf, miss')
    expect(await get('martha')).toBe('bad wolf, hit')
  })

  test('passes its id to the fetch that it causes', async () => {
    const { get, fetches } = cache()

    void get('thedoctor', { id: 'request-1' }).catch(() => {})

    expect(fetches.map(({ codeName, call }) => `${codeName} for ${call.id}`)).toEqual(['thedoctor for request-1'])
  })

  test('during the backoff fails immediately with the time until a retry', async () => {
    const { get, fail, fetches } = cache()
    const first = get().catch((error) => error)
    await fail(throttled())
    await first

    await expect(get()).rejects.toMatchObject({ code: 'SOURCE_THROTTLED', retryAfter: 75 })

    expect(fetches).toHaveLength(1)
  })
})

describe('a fetch', () => {
  test('continues if the request that caused it is aborted', async () => {
    const { get, answer, fetches } = cache()
    const controller = new AbortController()
    const first = get('thedoctor', { signal: controller.signal }).catch((error) => error)
    const second = get()
    const reason = new Error('client gone')

    controller.abort(reason)

    expect(await first).toBe(reason)
    expect(fetches[0]?.call.signal.aborted).toBe(false)
    await answer('first')
    expect(await second).toBe('first, coalesced')
    expect(fetches).toHaveLength(1)
  })

  test('continues if the request that caused it times out, and its value is cached', async () => {
    const { get, answer, fetches } = cache()

    await expect(get('thedoctor', { timeout: 1 })).rejects.toBeInstanceOf(RequestTimeout)

    expect(fetches[0]?.call.signal.aborted).toBe(false)
    await answer('first')
    expect(await get()).toBe('first, hit')
    expect(fetches).toHaveLength(1)
  })

  test('has its own timeout instead of the deadline of the request', async () => {
    const { get, fetches } = cache({ fetchTimeout: 60_000 })
    const before = Date.now()

    void get('thedoctor', { deadline: before + 30_000 }).catch(() => {})

    expect(fetches[0]?.call.deadline).toBeGreaterThanOrEqual(before + 60_000)
  })

  test('times out if the source does not respond, and starts the backoff', async () => {
    const { get, fetches } = cache({ fetchTimeout: 20 })

    await expect(get()).rejects.toMatchObject({ name: 'SourceFailure', code: 'SOURCE_TIMEOUT', retryAfter: 75 })
    await expect(get()).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' })

    expect(fetches).toHaveLength(1)
    expect(fetches[0]?.call.signal.aborted).toBe(true)
  })
})

describe('warming', () => {
  test('fetches every secret in the background, without delaying the start', async () => {
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
  ])('retries with backoff until the first success when the source %s', async (_, error) => {
    const { bus, clock, fail, answer, fetches } = cache()
    await bus.start()

    for (const [index, delay] of [75, 150, 300, 600].entries()) {
      await fail(error)
      await clock.advance(delay - 1)
      expect(fetches).toHaveLength(index + 1)
      await clock.advance(1)
      expect(fetches).toHaveLength(index + 2)
    }
    await answer('at last')

    expect(clock.sleeping).toEqual([])
  })

  test('retries until a missing secret exists', async () => {
    const { bus, clock, fail, answer, get, fetches } = cache({ negativeTtl: 0 })
    await bus.start()
    await fail(new SecretNotFound('thedoctor'))

    await clock.advance(75)
    expect(fetches).toHaveLength(2)
    await answer('at last')

    expect(await get()).toBe('at last, hit')
  })

  test('ends on stop', async () => {
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

  test('ends on stop during a fetch', async () => {
    const { bus, clock, fail, fetches } = cache()
    await bus.start()

    await bus.stop()
    await fail(throttled())

    expect(clock.sleeping).toEqual([])
    expect(fetches).toHaveLength(1)
  })

  test('resumes when the process starts again', async () => {
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

describe('the refresh in the background', () => {
  test('replaces a value before the end of its TTL, without a request', async () => {
    const { bus, clock, answer, get, fetches } = cache({ cacheTtl: 60_000 })
    await bus.start()
    await answer('first')
    await clock.advance(47_999)
    expect(fetches).toHaveLength(1)

    await clock.advance(1)
    await answer('second')
    await clock.advance(12_000)

    expect(await get()).toBe('second, hit')
    expect(fetches).toHaveLength(2)
  })

  test('makes at most 1.5 reads per TTL and secret, and spreads them', async () => {
    const clock = new ManualClock()
    const codeNames = Array.from({ length: 10 }, (_, index) => `secret-${index}`)
    const { bus, fetches } = cache({ cacheTtl: 60_000, codeNames }, clock)
    clock.randomValue = 0
    let reads = 0
    await bus.start()
    for (let second = 0; second < 600; second += 1) {
      for (const fetch of fetches.splice(0)) {
        reads += 1
        fetch.resolve({ codeName: fetch.codeName, value: new Sensitive('x') })
      }
      await clock.advance(1_000)
    }

    expect(reads).toBeLessThanOrEqual(1.5 * codeNames.length * 10 + codeNames.length)
    expect(reads).toBeGreaterThan(codeNames.length * 10)
  })

  test('continues with a backoff while reading fails, and serves the old value without waiting', async () => {
    const { bus, clock, answer, fail, get, fetches } = cache({ cacheTtl: 60_000, maxStale: 3_600_000 })
    await bus.start()
    await answer('first')
    await clock.advance(48_000)
    for (const pause of [75, 150, 300, 600]) {
      await fail(throttled())
      await clock.advance(pause - 1)
      const before = fetches.length
      await clock.advance(1)
      expect(fetches).toHaveLength(before + 1)
    }
    await fail(throttled())
    await clock.advance(12_000)
    expect(await get()).toBe('first, stale')

    await answer('second')

    expect(await get()).toBe('second, hit')
  })

  test('reads when a pause ends that a failed reload has caused', async () => {
    const { bus, clock, answer, fail, fetches } = cache({ cacheTtl: 60_000 })
    await bus.start()
    await answer('first')
    await clock.advance(48_000)
    await failForLong({ clock, fail })
    await clock.advance(1_000)
    const reload = expect(bus.graceful()).rejects.toThrow()
    await settled()
    await fail(throttled()) // again
    await reload
    const before = fetches.length

    await clock.advance(21_500)
    await clock.advance(999)
    expect(fetches).toHaveLength(before)
    await clock.advance(1)

    expect(fetches).toHaveLength(before + 1)
  })

  test('follows a reload that ends an outage, without waiting for the end of its pause', async () => {
    const { bus, clock, answer, fail, get, fetches } = cache({ cacheTtl: 10_000 })
    await bus.start()
    await answer('first')
    await clock.advance(8_000)
    await failForLong({ clock, fail })
    const reload = bus.graceful()
    await settled()
    await answer('second')
    await reload
    const before = fetches.length

    await clock.advance(8_000)

    expect(fetches).toHaveLength(before + 1)
    await answer('third')
    expect(await get()).toBe('third, hit')
  })

  test('ends on stop and resumes after a restart', async () => {
    const { bus, clock, answer, fetches } = cache({ cacheTtl: 60_000 })
    await bus.start()
    await answer('first')
    await bus.stop()
    await clock.advance(600_000)
    expect(fetches).toHaveLength(1)

    await bus.start()
    await settled()

    expect(fetches).toHaveLength(2)
  })

  test.each([Infinity, 0, 999])('is not made with a TTL of %d ms', async (cacheTtl) => {
    const { bus, clock, answer, fetches } = cache({ cacheTtl, minRefreshInterval: 1_000 })
    await bus.start()
    await answer('first')

    await clock.advance(86_400_000)

    expect(fetches).toHaveLength(1)
    expect(clock.sleeping).toEqual([])
  })

  test('makes at most 32 reads at once, and leaves the others a turn for requests', async () => {
    const codeNames = Array.from({ length: 200 }, (_, index) => `secret-${index}`)
    const { bus, get, answer, fetches } = cache({ codeNames })
    await bus.start()
    expect(fetches).toHaveLength(32)

    const replies = codeNames.slice(100).map((codeName) => get(codeName))
    for (const reply of replies) reply.catch(() => {}) // most are still waiting at the end of the test
    expect(fetches).toHaveLength(64)
    const requested = fetches.at(-1)
    await answer('x', requested)

    expect(await replies[31]).toBe('x, miss')
    expect(fetches).toHaveLength(65)
  })
})

describe('a reload', () => {
  async function loaded(...codeNames: string[]) {
    const service = cache({ codeNames })
    await service.bus.start()
    for (const fetch of [...service.fetches]) await service.answer(`old ${fetch.codeName}`, fetch)
    return service
  }

  test('fetches every secret and serves the old values in the meantime', async () => {
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

  test('keeps the old value of a secret whose fetch fails, and updates the others', async () => {
    const { bus, get, answer, fail, fetches } = await loaded('rose', 'martha')

    const reloaded = bus.graceful().catch((error) => error)
    await settled()
    await fail(throttled(), fetches[2])
    await answer('new martha', fetches[3])

    expect((await reloaded).errors).toMatchObject([{ code: 'SOURCE_THROTTLED' }])
    expect(await get('rose')).toBe('old rose, hit')
    expect(await get('martha')).toBe('new martha, hit')
  })

  test('reports all failures', async () => {
    const { bus, fail, fetches } = await loaded('rose', 'martha')

    const reloaded = bus.graceful().catch((error) => error)
    await settled()
    await fail(throttled('slow down'), fetches[2])
    await fail(refused(), fetches[3])

    expect((await reloaded).message).toMatch(/slow down.*access denied/)
  })

  test('drops a revoked value', async () => {
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

  test('fails until every secret has been loaded once, then passes', async () => {
    const { bus, answer, fetches, health } = cache({ codeNames: ['rose', 'martha'] })
    await bus.start()
    expect(await statuses(health())).toEqual(['secret-cache: fail'])

    await answer('x', fetches[0])
    expect(await health()).toMatchObject([{ status: 'fail', output: expect.stringContaining('1 of 2') }])

    await answer('y', fetches[1])
    expect(await health()).toEqual([{ name: 'secret-cache', status: 'pass' }])
  })

  test('warns while a value is stale', async () => {
    const { bus, clock, answer, fail, health } = cache({ cacheTtl: 60_000 })
    await bus.start()
    await answer('x')
    await clock.advance(48_000)
    await fail(throttled())
    expect(await statuses(health())).toEqual(['secret-cache: pass'])

    await clock.advance(12_000)

    expect(await health()).toMatchObject([{ status: 'warn', output: expect.stringContaining('1 of 1') }])
  })

  test('warns instead of failing when a loaded value is dropped', async () => {
    const { bus, answer, fail, health } = cache()
    await bus.start()
    await answer('x')
    const reloaded = bus.graceful().catch(() => {})
    await settled()
    await fail(refused())
    await reloaded

    expect(await statuses(health())).toEqual(['secret-cache: warn'])
  })

  test('passes again once the value is fresh', async () => {
    const { bus, clock, answer, fail, health } = cache({ cacheTtl: 60_000 })
    await bus.start()
    await answer('x')
    await clock.advance(48_000)
    await fail(throttled())
    await clock.advance(12_000)
    await answer('y')

    expect(await statuses(health())).toEqual(['secret-cache: pass'])
  })

  test('does not fetch', async () => {
    const { fetches, health } = cache()

    await health()

    expect(fetches).toHaveLength(0)
  })
})

describe('the log', () => {
  test('has one warning per outage and one line for the recovery', async () => {
    const { bus, clock, fail, answer, messages } = cache()
    await bus.start()
    for (const delay of [75, 150, 300]) {
      await fail(throttled())
      await clock.advance(delay)
    }
    await answer('at last')

    expect(messages('warn')).toEqual(['Failed to fetch secret thedoctor: too many requests'])
    expect(messages('info').filter((message) => message.startsWith('Recovered'))).toEqual([
      'Recovered: fetched secret thedoctor',
    ])
  })

  test('has one warning per reason if an outage alternates between two', async () => {
    const { bus, clock, fail, messages } = cache()
    await bus.start()

    for (const reason of ['too many requests', 'too slow', 'too many requests', 'too slow']) {
      await fail(throttled(reason))
      await clock.advance(30_000)
    }

    expect(messages('warn')).toEqual([
      'Failed to fetch secret thedoctor: too many requests',
      'Failed to fetch secret thedoctor: too slow',
    ])
  })

  test('has another warning for the next outage', async () => {
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

  test('has no warning about a fetch that fails after the stop', async () => {
    const { bus, fail, messages } = cache()
    await bus.start()

    await bus.stop()
    await fail(new SourceFailure('SOURCE_UNAVAILABLE', 'the client is closed'))

    expect(messages('warn')).toEqual([])
  })

  test('has no record of a successful fetch', async () => {
    const { bus, answer, records } = cache()
    await bus.start()
    await answer('x')

    expect(records.filter(({ message }) => message.includes('ecret'))).toEqual([])
  })

  test('has the error and the request id of a failure', async () => {
    const { get, fail, records } = cache()
    const error = throttled()
    const first = get('thedoctor', { id: 'request-1' }).catch(() => {})
    await fail(error)
    await first

    const logged = records.find(({ level }) => level === 'warn')

    expect(logged?.fields).toMatchObject({ codeName: 'thedoctor', reqId: 'request-1', err: error })
  })

  test('never has a value', async () => {
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

describe('with the DynamoDB source', () => {
  test('reads a secret once and again on reload, and drops it if it has been deleted', async () => {
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
