import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { fetchSecret, getSecret, identifyClient } from '../../../src/channels.ts'
import { type CacheDirectives, type Freshness, NotCached } from '../../../src/freshness.ts'
import { auditTrail } from '../../../src/handlers/audit-trail.ts'
import { authentication } from '../../../src/handlers/guards/authentication.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import { SecretNotFound, Sensitive, SourceFailure } from '../../../src/secret.ts'
import { secretCache } from '../../../src/sources/cache/secret-cache.ts'
import { fetchReply, type HttpService, parseProblem, RawConnection, startHttp } from '../../support/http/http.ts'

/** The maximum length of a DynamoDB key: 2,048 bytes. */
const longest = [
  ['2,048 characters of one byte', 'x'.repeat(2_048)],
  ['1,024 characters of two bytes', 'ü'.repeat(1_024)],
  ['682 characters of three bytes', '日'.repeat(682)],
] as const

/** Starts the routes and a cache, with a source that has a secret for every name. */
async function secrets(...codeNames: [string, ...string[]]) {
  const queried: string[] = []
  const source: Subscriber = (bus) =>
    bus.provide(fetchSecret, ({ codeName }) => {
      queried.push(codeName)
      return { codeName, value: new Sensitive(`the secret of ${codeName}`) }
    })
  const cache = secretCache({ codeNames, cacheTtl: Infinity, maxStale: 0, negativeTtl: 2_000, fetchTimeout: 5_000 })
  return { ...(await startHttp({ source, cache, audit: auditTrail(), routes: secretRoutes({ codeNames }) })), queried }
}

/** Starts the routes with this provider. */
async function startWith(answer: () => { value?: string; freshness?: Freshness }): Promise<HttpService> {
  const stub: Subscriber = (bus) =>
    bus.provide(getSecret, ({ codeName }) => {
      const { value = 'x', freshness = { result: 'hit', age: 0, ttl: Infinity } } = answer()
      return { codeName, value: new Sensitive(value), freshness }
    })
  return startHttp({ stub, audit: auditTrail(), routes: secretRoutes({ codeNames: ['thedoctor'] }) })
}

/** Waits for the audit line, which is written after the response. */
async function audited({ records }: HttpService): Promise<object> {
  const lines = () => records.filter(({ message }) => message === 'Secret accessed')
  await expect.poll(() => lines().length).toBe(1)
  expect(lines()[0]?.level).toBe('info')
  return lines()[0]?.fields ?? {}
}

describe('GET /secret', () => {
  test('returns the secret of the first code name only', async () => {
    const { origin } = await secrets('thedoctor', 'river')

    const { status, headers, body } = await fetchReply(`${origin}/secret`)

    expect(status).toBe(200)
    expect(headers['content-type']).toMatch(/^application\/json/)
    expect(body).toBe('{"secret_code":"the secret of thedoctor"}')
  })

  test.each([
    'plain',
    '',
    ' spaces ',
    '"quoted" \\ back\\slashed',
    'two\nlines\r\n\t',
    'ünïcödé 日本 👩‍🚀',
    '\u0000\u2028</script>',
  ])('returns the value %j unchanged', async (value) => {
    const { origin } = await startWith(() => ({ value }))

    const { body } = await fetchReply(`${origin}/secret`)

    expect(JSON.parse(body)).toEqual({ secret_code: value })
  })

  test('forbids caching', async () => {
    const { origin } = await secrets('thedoctor')

    const { headers } = await fetchReply(`${origin}/secret`)

    expect(headers['cache-control']).toBe('no-store')
  })

  test('ignores the query string', async () => {
    const { origin } = await secrets('thedoctor')

    expect(await fetchReply(`${origin}/secret?codeName=river`)).toMatchObject({
      status: 200,
      body: '{"secret_code":"the secret of thedoctor"}',
    })
  })

  test('responds to HEAD with the headers only', async () => {
    const { origin } = await secrets('thedoctor')

    const { status, headers, body } = await fetchReply(`${origin}/secret`, { method: 'HEAD' })

    expect(status).toBe(200)
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'content-type': expect.stringContaining('json') })
    expect(body).toBe('')
  })
})

describe('GET /secret/:codeName', () => {
  test('returns the secret of that name', async () => {
    const { origin } = await secrets('thedoctor', 'river')

    expect(await fetchReply(`${origin}/secret/river`)).toMatchObject({
      status: 200,
      body: '{"secret_code":"the secret of river"}',
    })
  })

  test.each(['a/b', 'a b', 'a+b', '100%', '%25', '?x=1#y', '"quoted"', ':codeName', 'ünïcödé', '日本', '👩‍🚀'])(
    'returns the secret of %j',
    async (codeName) => {
      const { origin } = await secrets('thedoctor', codeName)

      const { status, body } = await fetchReply(`${origin}/secret/${encodeURIComponent(codeName)}`)

      expect(status).toBe(200)
      expect(JSON.parse(body)).toEqual({ secret_code: `the secret of ${codeName}` })
    },
  )

  test.each(longest)('returns the secret of a name of %s', async (_, codeName) => {
    const { origin } = await secrets('thedoctor', codeName)

    const { status, body } = await fetchReply(`${origin}/secret/${encodeURIComponent(codeName)}`)

    expect(status).toBe(200)
    expect(JSON.parse(body)).toEqual({ secret_code: `the secret of ${codeName}` })
  })

  test.each(['themaster', 'THEDOCTOR', 'thedoctor ', '__proto__', ''])(
    'responds 404 to %j, which is not configured, without querying the source',
    async (codeName) => {
      const { origin, queried } = await secrets('thedoctor')

      const reply = await fetchReply(`${origin}/secret/${encodeURIComponent(codeName)}`)

      expect(parseProblem(reply)).toMatchObject({ status: 404 })
      expect(queried).not.toContain(codeName)
    },
  )

  test.each(longest)('responds 404 to a name of %s that is not configured', async (_, codeName) => {
    const { origin, queried } = await secrets('thedoctor')

    const reply = await fetchReply(`${origin}/secret/${encodeURIComponent(codeName)}`)

    expect(parseProblem(reply)).toMatchObject({ status: 404 })
    expect(queried).not.toContain(codeName)
  })

  test('rejects a name longer than a DynamoDB key', async () => {
    const { origin } = await secrets('thedoctor')

    const reply = await fetchReply(`${origin}/secret/${'x'.repeat(2_049)}`)

    expect(parseProblem(reply)).toMatchObject({ status: 414 })
  })
})

describe('Cache-Status', () => {
  test.each<[string, Omit<Freshness, 'age'>, string]>([
    ['a hit that never expires', { result: 'hit', ttl: Infinity }, 'hit'],
    ['a hit that expires', { result: 'hit', ttl: 57_900 }, 'hit; ttl=57'],
    ['a stale value', { result: 'stale', ttl: -4_500 }, 'hit; ttl=-5'],
    ['a value that has just become stale', { result: 'stale', ttl: -1 }, 'hit; ttl=-1'],
    ['a miss', { result: 'miss', forward: 'uri-miss', ttl: 60_000 }, 'fwd=uri-miss'],
    ['a read of a stale value', { result: 'miss', forward: 'stale', ttl: 60_000 }, 'fwd=stale'],
    ['a forced read', { result: 'miss', forward: 'request', ttl: 60_000 }, 'fwd=request'],
    ['a shared read', { result: 'coalesced', forward: 'request', ttl: 0 }, 'fwd=request; collapsed'],
  ])('describes %s', async (_, freshness, expected) => {
    const { origin } = await startWith(() => ({ freshness: { age: 0, ...freshness } }))

    const { headers } = await fetchReply(`${origin}/secret`)

    expect(headers['cache-status']).toBe(`secret-bus; ${expected}`)
  })

  test('is absent without a secret', async () => {
    const { origin } = await secrets('thedoctor')

    const { headers } = await fetchReply(`${origin}/secret/themaster`)

    expect(headers).not.toHaveProperty('cache-status')
  })
})

test.each([
  [0, '0'],
  [999, '0'],
  [1_000, '1'],
  [86_400_999.5, '86400'],
])('Age of a value of %d ms is %s', async (age, expected) => {
  const { origin } = await startWith(() => ({ freshness: { result: 'hit', age, ttl: 1_000 } }))

  expect((await fetchReply(`${origin}/secret`)).headers).toMatchObject({ age: expected })
})

describe('Cache-Control of the request', () => {
  test.each<[string, CacheDirectives]>([
    ['no-cache', { maxAge: 0 }],
    ['max-age=5', { maxAge: 5_000 }],
    ['max-age=5, max-stale=10, only-if-cached', { maxAge: 5_000, maxStale: 10_000, onlyIfCached: true }],
  ])('%s is handed on with the query', async (cacheControl, directives) => {
    const queries: object[] = []
    const stub: Subscriber = (bus) =>
      bus.provide(getSecret, (query) => {
        queries.push(query)
        return { ...query, value: new Sensitive('x'), freshness: { result: 'hit', age: 0, ttl: 0 } }
      })
    const { origin } = await startHttp({ stub, routes: secretRoutes({ codeNames: ['thedoctor'] }) })

    await fetchReply(`${origin}/secret`, { headers: { 'cache-control': cacheControl } })

    expect(queries).toMatchObject([{ codeName: 'thedoctor', ...directives }])
  })

  test('only-if-cached without a cached value is 504', async () => {
    const { origin } = await startWith(() => {
      throw new NotCached()
    })

    const reply = await fetchReply(`${origin}/secret`, { headers: { 'cache-control': 'only-if-cached' } })

    expect(parseProblem(reply)).toMatchObject({ status: 504, type: 'urn:secret-bus:problem:not-cached' })
  })
})

describe('the audit line', () => {
  test('contains the client, the code name, the status and the cache status', async () => {
    const service = await secrets('thedoctor', 'river')

    await fetchReply(`${service.origin}/secret/river`, { headers: { 'x-request-id': 'request-1' } })

    expect(await audited(service)).toEqual({
      reqId: 'request-1',
      address: '127.0.0.1',
      codeName: 'river',
      status: 200,
      cache: expect.stringMatching(/^secret-bus; /),
    })
  })

  test('contains the name of the first secret for /secret', async () => {
    const service = await secrets('thedoctor')

    await fetchReply(`${service.origin}/secret`)

    expect(await audited(service)).toMatchObject({ codeName: 'thedoctor', status: 200 })
  })

  test('is written for HEAD', async () => {
    const service = await secrets('thedoctor')

    await fetchReply(`${service.origin}/secret`, { method: 'HEAD' })

    expect(await audited(service)).toMatchObject({ codeName: 'thedoctor', status: 200 })
  })

  test('is written for a name that is not configured', async () => {
    const service = await secrets('thedoctor')

    await fetchReply(`${service.origin}/secret/the%20master`)

    expect(await audited(service)).toMatchObject({ address: '127.0.0.1', codeName: 'the master', status: 404 })
  })

  test.each([
    [404, new SecretNotFound('thedoctor')],
    [502, new SourceFailure('SOURCE_REFUSED', 'access denied')],
    [503, new SourceFailure('SOURCE_THROTTLED', 'too often')],
    [504, new SourceFailure('SOURCE_TIMEOUT', 'too long')],
    [500, new Error('oops')],
  ])('contains the status of a failed request: %i', async (status, error) => {
    const service = await startWith(() => {
      throw error
    })

    await fetchReply(`${service.origin}/secret`)

    expect(await audited(service)).toMatchObject({ address: '127.0.0.1', codeName: 'thedoctor', status })
  })

  test('contains the reason of a failed request', async () => {
    const service = await startWith(() => {
      throw new SourceFailure('SOURCE_REFUSED', 'access denied')
    })

    await fetchReply(`${service.origin}/secret`)

    expect(await audited(service)).toMatchObject({ reason: 'access denied' })
  })

  test('is written for a client that disconnects early', async () => {
    let requested = false
    const hanging: Subscriber = (bus) =>
      bus.provide(getSecret, () => {
        requested = true
        return new Promise(() => {})
      })
    const service = await startHttp({
      hanging,
      audit: auditTrail(),
      routes: secretRoutes({ codeNames: ['thedoctor'] }),
    })
    const connection = await RawConnection.open(service.port)
    connection.send('GET /secret HTTP/1.1', 'host: x')
    await expect.poll(() => requested).toBe(true)

    connection.socket.resetAndDestroy()

    expect(await audited(service)).toMatchObject({ address: '127.0.0.1', codeName: 'thedoctor', status: 499 })
  })

  test('does not contain the value, and neither does any other line', async () => {
    const service = await startWith(() => ({ value: 'classified' }))

    expect(await fetchReply(`${service.origin}/secret`)).toMatchObject({
      status: 200,
      body: '{"secret_code":"classified"}',
    })

    await audited(service)
    expect(inspect(service.records, { depth: 10, showHidden: true })).not.toContain('classified')
  })

  test('is not written for other routes', async () => {
    const service = await secrets('thedoctor')

    await fetchReply(`${service.origin}/nothing`)
    await fetchReply(`${service.origin}/secret`)

    expect(await audited(service)).toMatchObject({ codeName: 'thedoctor' })
  })
})

describe('a client of a plugin', () => {
  test.each<[unknown, number]>([
    [true, 200],
    [false, 404],
    [undefined, 404],
    [1, 404],
    ['true', 404],
    [Promise.resolve(true), 404],
  ])('whose scope answers %j gets %i', async (answer, status) => {
    const stub: Subscriber = (bus) => {
      bus.provide(identifyClient, () => ({
        name: 'plugin',
        may: new Set(['secrets'] as const),
        mayRead: () => answer as boolean, // a plugin may return any value
      }))
      bus.provide(getSecret, ({ codeName }) => {
        const freshness = { result: 'hit', age: 0, ttl: Infinity } as const
        return { codeName, value: new Sensitive('x'), freshness }
      })
    }
    const routes = secretRoutes({ codeNames: ['thedoctor'] })
    const { origin } = await startHttp({ stub, authentication: authentication(), routes })

    const reply = await fetchReply(`${origin}/secret`, { headers: { authorization: 'Bearer any' } })

    expect(reply.status).toBe(status)
  })
})
