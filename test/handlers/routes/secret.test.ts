import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { fetchSecret, getSecret } from '../../../src/channels.ts'
import { auditTrail } from '../../../src/handlers/audit-trail.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import { type Freshness, SecretNotFound, Sensitive, SourceFailure } from '../../../src/secret.ts'
import { secretCache } from '../../../src/sources/cache/secret-cache.ts'
import { ask, type HttpService, problemIn, RawConnection, startHttp } from '../../support/http/http.ts'

/** As long as a key of DynamoDB can be: 2,048 bytes. */
const longest = [
  ['2,048 letters of a byte', 'x'.repeat(2_048)],
  ['1,024 letters of two', 'ü'.repeat(1_024)],
  ['682 letters of three', '日'.repeat(682)],
] as const

/** The routes, and a cache before a source that has a secret for every name it is asked for. */
async function secrets(...codeNames: [string, ...string[]]) {
  const asked: string[] = []
  const source: Subscriber = (bus) =>
    bus.provide(fetchSecret, ({ codeName }) => {
      asked.push(codeName)
      return { codeName, value: new Sensitive(`the secret of ${codeName}`), fetchedAt: Date.now() }
    })
  const cache = secretCache({ codeNames, cacheTtl: Infinity, maxStale: 0, negativeTtl: 2_000, fetchTimeout: 5_000 })
  return { ...(await startHttp({ source, cache, audit: auditTrail(), routes: secretRoutes({ codeNames }) })), asked }
}

/** The routes, and somebody who answers them like this. */
async function answering(answer: () => { value?: string; freshness?: Freshness }): Promise<HttpService> {
  const stub: Subscriber = (bus) =>
    bus.provide(getSecret, ({ codeName }) => {
      const { value = 'x', freshness = { result: 'hit', expiresAt: Infinity } } = answer()
      return { codeName, value: new Sensitive(value), fetchedAt: Date.now(), freshness }
    })
  return startHttp({ stub, audit: auditTrail(), routes: secretRoutes({ codeNames: ['thedoctor'] }) })
}

/** Waits for the line, which is written once the reply is sent. */
async function audited({ records }: HttpService): Promise<object> {
  const lines = () => records.filter(({ message }) => message === 'Secret accessed')
  await expect.poll(() => lines().length).toBe(1)
  expect(lines()[0]?.level).toBe('info')
  return lines()[0]?.fields ?? {}
}

describe('GET /secret', () => {
  test('gives the secret of the first code name, and nothing else', async () => {
    const { origin } = await secrets('thedoctor', 'river')

    const { status, headers, body } = await ask(`${origin}/secret`)

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
  ])('gives the value %j as it is', async (value) => {
    const { origin } = await answering(() => ({ value }))

    const { body } = await ask(`${origin}/secret`)

    expect(JSON.parse(body)).toEqual({ secret_code: value })
  })

  test('is not to be stored by anybody', async () => {
    const { origin } = await secrets('thedoctor')

    const { headers } = await ask(`${origin}/secret`)

    expect(headers['cache-control']).toBe('no-store')
  })

  test('with a query is answered all the same', async () => {
    const { origin } = await secrets('thedoctor')

    expect(await ask(`${origin}/secret?codeName=river`)).toMatchObject({
      status: 200,
      body: '{"secret_code":"the secret of thedoctor"}',
    })
  })

  test('with HEAD gives the headers alone', async () => {
    const { origin } = await secrets('thedoctor')

    const { status, headers, body } = await ask(`${origin}/secret`, { method: 'HEAD' })

    expect(status).toBe(200)
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'content-type': expect.stringContaining('json') })
    expect(body).toBe('')
  })
})

describe('GET /secret/:codeName', () => {
  test('gives the secret of that name', async () => {
    const { origin } = await secrets('thedoctor', 'river')

    expect(await ask(`${origin}/secret/river`)).toMatchObject({
      status: 200,
      body: '{"secret_code":"the secret of river"}',
    })
  })

  test.each(['a/b', 'a b', 'a+b', '100%', '%25', '?x=1#y', '"quoted"', ':codeName', 'ünïcödé', '日本', '👩‍🚀'])(
    'gives the secret of %j',
    async (codeName) => {
      const { origin } = await secrets('thedoctor', codeName)

      const { status, body } = await ask(`${origin}/secret/${encodeURIComponent(codeName)}`)

      expect(status).toBe(200)
      expect(JSON.parse(body)).toEqual({ secret_code: `the secret of ${codeName}` })
    },
  )

  test.each(longest)('gives the secret of a name of %s', async (_, codeName) => {
    const { origin } = await secrets('thedoctor', codeName)

    const { status, body } = await ask(`${origin}/secret/${encodeURIComponent(codeName)}`)

    expect(status).toBe(200)
    expect(JSON.parse(body)).toEqual({ secret_code: `the secret of ${codeName}` })
  })

  test.each(['themaster', 'THEDOCTOR', 'thedoctor ', '__proto__', ''])(
    'of the name %j, which is not served, is not found, without asking the source',
    async (codeName) => {
      const { origin, asked } = await secrets('thedoctor')

      const reply = await ask(`${origin}/secret/${encodeURIComponent(codeName)}`)

      expect(problemIn(reply)).toMatchObject({ status: 404 })
      expect(asked).not.toContain(codeName)
    },
  )

  test.each(longest)('of a name of %s, which is not served, is not found', async (_, codeName) => {
    const { origin, asked } = await secrets('thedoctor')

    const reply = await ask(`${origin}/secret/${encodeURIComponent(codeName)}`)

    expect(problemIn(reply)).toMatchObject({ status: 404 })
    expect(asked).not.toContain(codeName)
  })

  test('of a name longer than a key can be is refused', async () => {
    const { origin } = await secrets('thedoctor')

    const reply = await ask(`${origin}/secret/${'x'.repeat(2_049)}`)

    expect(problemIn(reply)).toMatchObject({ status: 414 })
  })
})

describe('Cache-Status', () => {
  test.each<[string, Freshness['result'], number, RegExp]>([
    ['a value from the cache that never expires', 'hit', Infinity, /^secret-bus; hit$/],
    ['a value from the cache that expires', 'hit', 57_900, /^secret-bus; hit; ttl=5[67]$/],
    ['a value past its lifetime', 'stale', -4_500, /^secret-bus; hit; ttl=-[56]$/],
    ['a value only just past its lifetime', 'stale', -1, /^secret-bus; hit; ttl=-1$/],
    ['a value fetched for this request', 'miss', 60_000, /^secret-bus; fwd=uri-miss$/],
    ['a value fetched for another request', 'coalesced', 60_000, /^secret-bus; fwd=uri-miss; collapsed$/],
  ])('of %s says so', async (_, result, ttl, expected) => {
    const { origin } = await answering(() => ({ freshness: { result, expiresAt: Date.now() + ttl } }))

    const { headers } = await ask(`${origin}/secret`)

    expect(headers['cache-status']).toMatch(expected)
  })

  test('is not there when there is no secret', async () => {
    const { origin } = await secrets('thedoctor')

    const { headers } = await ask(`${origin}/secret/themaster`)

    expect(headers).not.toHaveProperty('cache-status')
  })
})

describe('the audit line', () => {
  test('of a secret that was given says who asked, for what, and how it was answered', async () => {
    const service = await secrets('thedoctor', 'river')

    await ask(`${service.origin}/secret/river`, { headers: { 'x-request-id': 'request-1' } })

    expect(await audited(service)).toEqual({
      reqId: 'request-1',
      client: '127.0.0.1',
      codeName: 'river',
      status: 200,
      cache: expect.stringMatching(/^secret-bus; /),
    })
  })

  test('of the first secret has its name', async () => {
    const service = await secrets('thedoctor')

    await ask(`${service.origin}/secret`)

    expect(await audited(service)).toMatchObject({ codeName: 'thedoctor', status: 200 })
  })

  test('is written for HEAD, too', async () => {
    const service = await secrets('thedoctor')

    await ask(`${service.origin}/secret`, { method: 'HEAD' })

    expect(await audited(service)).toMatchObject({ codeName: 'thedoctor', status: 200 })
  })

  test('of a name that is not served says so', async () => {
    const service = await secrets('thedoctor')

    await ask(`${service.origin}/secret/the%20master`)

    expect(await audited(service)).toMatchObject({ client: '127.0.0.1', codeName: 'the master', status: 404 })
  })

  test.each([
    [404, new SecretNotFound('thedoctor')],
    [502, new SourceFailure('SOURCE_REFUSED', 'access denied')],
    [503, new SourceFailure('SOURCE_THROTTLED', 'too often')],
    [504, new SourceFailure('SOURCE_TIMEOUT', 'too long')],
    [500, new Error('oops')],
  ])('of a request that failed says so: %i', async (status, error) => {
    const service = await answering(() => {
      throw error
    })

    await ask(`${service.origin}/secret`)

    expect(await audited(service)).toMatchObject({ client: '127.0.0.1', codeName: 'thedoctor', status })
  })

  test('of a request that failed says why', async () => {
    const service = await answering(() => {
      throw new SourceFailure('SOURCE_REFUSED', 'access denied')
    })

    await ask(`${service.origin}/secret`)

    expect(await audited(service)).toMatchObject({ reason: 'access denied' })
  })

  test('is written for a client that did not wait, too', async () => {
    let asked = false
    const hanging: Subscriber = (bus) =>
      bus.provide(getSecret, () => {
        asked = true
        return new Promise(() => {})
      })
    const service = await startHttp({
      hanging,
      audit: auditTrail(),
      routes: secretRoutes({ codeNames: ['thedoctor'] }),
    })
    const connection = await RawConnection.open(service.port)
    connection.send('GET /secret HTTP/1.1', 'host: x')
    await expect.poll(() => asked).toBe(true)

    connection.socket.resetAndDestroy()

    expect(await audited(service)).toMatchObject({ client: '127.0.0.1', codeName: 'thedoctor', status: 499 })
  })

  test('never has the value, nor has any other line', async () => {
    const service = await answering(() => ({ value: 'classified' }))

    expect(await ask(`${service.origin}/secret`)).toMatchObject({ status: 200, body: '{"secret_code":"classified"}' })

    await audited(service)
    expect(inspect(service.records, { depth: 10, showHidden: true })).not.toContain('classified')
  })

  test('is not written for what is no secret', async () => {
    const service = await secrets('thedoctor')

    await ask(`${service.origin}/nothing`)
    await ask(`${service.origin}/secret`)

    expect(await audited(service)).toMatchObject({ codeName: 'thedoctor' })
  })
})
