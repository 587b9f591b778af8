import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { fetchSecret, getSecret } from '../../../src/channels.ts'
import { auditTrail } from '../../../src/handlers/audit-trail.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import { type Freshness, SecretNotFound, Sensitive, SourceFailure } from '../../../src/secret.ts'
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
      return { codeName, value: new Sensitive(`the secret of ${codeName}`), fetchedAt: Date.now() }
    })
  const cache = secretCache({ codeNames, cacheTtl: Infinity, maxStale: 0, negativeTtl: 2_000, fetchTimeout: 5_000 })
  return { ...(await startHttp({ source, cache, audit: auditTrail(), routes: secretRoutes({ codeNames }) })), queried }
}

/** Starts the routes with this provider. */
async function startWith(answer: () => { value?: string; freshness?: Freshness }): Promise<HttpService> {
  const stub: Subscriber = (bus) =>
    bus.provide(getSecret, ({ codeName }) => {
      const { value = 'x', freshness = { result: 'hit', expiresAt: Infinity } } = answer()
      return { codeName, value: new Sensitive(value), fetchedAt: Date.now(), freshness }
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
  test.each<[string, Freshness['result'], number, RegExp]>([
    ['a hit that never expires', 'hit', Infinity, /^secret-bus; hit$/],
    ['a hit that expires', 'hit', 57_900, /^secret-bus; hit; ttl=5[67]$/],
    ['a stale value', 'stale', -4_500, /^secret-bus; hit; ttl=-[56]$/],
    ['a value that has just become stale', 'stale', -1, /^secret-bus; hit; ttl=-1$/],
    ['a miss', 'miss', 60_000, /^secret-bus; fwd=uri-miss$/],
    ['a shared fetch', 'coalesced', 60_000, /^secret-bus; fwd=uri-miss; collapsed$/],
  ])('describes %s', async (_, result, ttl, expected) => {
    const { origin } = await startWith(() => ({ freshness: { result, expiresAt: Date.now() + ttl } }))

    const { headers } = await fetchReply(`${origin}/secret`)

    expect(headers['cache-status']).toMatch(expected)
  })

  test('is absent without a secret', async () => {
    const { origin } = await secrets('thedoctor')

    const { headers } = await fetchReply(`${origin}/secret/themaster`)

    expect(headers).not.toHaveProperty('cache-status')
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
