import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { MissingProviders } from '../../../src/bus/errors.ts'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { getSecret, httpRoutes, identifyClient } from '../../../src/channels.ts'
import type { Client } from '../../../src/client.ts'
import { auditTrail } from '../../../src/handlers/audit-trail.ts'
import { authentication } from '../../../src/handlers/guards/authentication.ts'
import { busMetrics } from '../../../src/handlers/metrics/bus-metrics.ts'
import { adminRoutes } from '../../../src/handlers/routes/admin.ts'
import { healthRoutes } from '../../../src/handlers/routes/health.ts'
import { metricsRoutes } from '../../../src/handlers/routes/metrics.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import { Sensitive } from '../../../src/secret.ts'
import { clients } from '../../../src/sources/clients/clients.ts'
import { identity } from '../../../src/sources/identity.ts'
import {
  fetchReply,
  type HttpService,
  parseProblem,
  RawConnection,
  type RawReply,
  startHttp,
} from '../../support/http/http.ts'

/** Configured tokens, and another one. None of them may be disclosed. */
const known = ['classified-known-1', 'classified-known-2'] as const
const unknown = 'classified-unknown'

const plain = 'Bearer realm="secret-bus"'
const invalid = 'Bearer realm="secret-bus", error="invalid_token"'

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** All routes of the service in its order, with authentication. */
async function startAuthenticated() {
  let requests = 0
  const source: Subscriber = (bus) =>
    bus.provide(getSecret, ({ codeName }) => {
      requests += 1
      const freshness = { result: 'hit', age: 0, ttl: Infinity } as const
      return { codeName, value: new Sensitive('the secret'), freshness }
    })
  const service = await startHttp({
    'bus-metrics': busMetrics(),
    identity: identity({ container: 'x', project: 'x' }),
    source,
    'metrics-routes': metricsRoutes(),
    clients: clients({ authToken: new Sensitive(known.join('\n')) }),
    authentication: authentication(),
    'admin-routes': adminRoutes(),
    'health-routes': healthRoutes(),
    'audit-trail': auditTrail(),
    'secret-routes': secretRoutes({ codeNames: ['thedoctor'] }),
  })
  return { ...service, secretRequests: () => requests }
}

/** Fails unless the reply is a 401 problem with the challenge. */
function expectUnauthorized(reply: RawReply, challenge: string): void {
  expect(parseProblem(reply)).toMatchObject({ status: 401, type: 'urn:secret-bus:problem:unauthorized' })
  expect(reply.headers['www-authenticate']).toBe(challenge)
}

/** Waits for the audit record, which is logged after the response is sent. */
async function auditRecord({ records }: HttpService): Promise<object | undefined> {
  const record = () => records.find(({ message }) => message === 'Secret accessed')
  await expect.poll(record).toBeDefined()
  return record()?.fields
}

describe('a request with a token', () => {
  test.each(known)('is served if the token is known: %s', async (token) => {
    const { origin } = await startAuthenticated()

    const { status, headers, body } = await fetchReply(`${origin}/secret`, { headers: bearer(token) })

    expect(status).toBe(200)
    expect(body).toBe('{"secret_code":"the secret"}')
    expect(headers).not.toHaveProperty('www-authenticate')
  })

  test.each(['Bearer ', 'bearer ', 'BEARER ', 'bEaReR ', 'Bearer    '])(
    'may write the scheme as %j',
    async (scheme) => {
      const { origin } = await startAuthenticated()

      const { status } = await fetchReply(`${origin}/secret`, { headers: { authorization: `${scheme}${known[0]}` } })

      expect(status).toBe(200)
    },
  )

  test('is rejected if the token is unknown, without a request for the secret', async () => {
    const { origin, secretRequests } = await startAuthenticated()

    expectUnauthorized(await fetchReply(`${origin}/secret`, { headers: bearer(unknown) }), invalid)

    expect(secretRequests()).toBe(0)
  })

  test('gets 404 for an unknown path', async () => {
    const { origin } = await startAuthenticated()

    const reply = await fetchReply(`${origin}/nothing`, { headers: bearer(known[0]) })

    expect(parseProblem(reply)).toMatchObject({ status: 404 })
  })

  test('is authenticated individually on a shared connection', async () => {
    const { port } = await startAuthenticated()
    const connection = await RawConnection.open(port)
    const send = (token: string) => connection.send('GET /secret HTTP/1.1', 'host: x', `authorization: Bearer ${token}`)

    send(known[0])
    send(unknown)
    send(known[1])

    expect([(await connection.reply()).status, (await connection.reply()).status]).toEqual([200, 401])
    expect((await connection.reply()).status).toBe(200)
  })
})

describe('a request without a token', () => {
  test.each([
    ['GET', '/secret'],
    ['GET', '/secret?access_token=classified-known-1'],
    ['GET', '/secret/thedoctor'],
    ['GET', '/secret/nothing'],
    ['GET', '/metrics'],
    ['POST', '/-/reload'],
    ['GET', '/'],
    ['GET', '/nothing'],
    ['GET', '/healthy'],
    ['GET', '/health/'],
    ['GET', '/HEALTH'],
    ['GET', '/health/../secret'],
    ['GET', '/health%2F..%2Fsecret'],
    ['GET', '//health/secret'],
    ['POST', '/health'],
    ['OPTIONS', '/secret'],
    ['DELETE', '/secret'],
  ])('is rejected: %s %s', async (method, path) => {
    const { port, secretRequests } = await startAuthenticated()
    const connection = await RawConnection.open(port)

    connection.send(`${method} ${path} HTTP/1.1`, 'host: x', 'content-length: 0')

    expectUnauthorized(await connection.reply(), plain)
    expect(secretRequests()).toBe(0)
  })

  test('is rejected before its body arrives', async () => {
    const { port } = await startAuthenticated()
    const connection = await RawConnection.open(port)

    connection.send('POST /-/reload HTTP/1.1', 'host: x', 'content-length: 10000')

    expectUnauthorized(await connection.reply(), plain)
  })

  test('is rejected with HEAD', async () => {
    const { origin } = await startAuthenticated()

    expect(await fetchReply(`${origin}/secret`, { method: 'HEAD' })).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': plain, 'cache-control': 'no-store' },
      body: '',
    })
  })

  test.each([
    { 'x-api-key': known[0] },
    { cookie: `token=${known[0]}` },
    { 'proxy-authorization': `Bearer ${known[0]}` },
  ])('is rejected even if the token is elsewhere: %j', async (headers) => {
    const { origin } = await startAuthenticated()

    expectUnauthorized(await fetchReply(`${origin}/secret`, { headers }), plain)
  })

  test.each(['/health', '/ready', '/health?x=1'])('is served on open routes: %s', async (path) => {
    const { origin } = await startAuthenticated()

    expect((await fetchReply(origin + path)).status).toBe(200)
    expect((await fetchReply(origin + path, { method: 'HEAD' })).status).toBe(200)
    expect((await fetchReply(origin + path, { headers: bearer(unknown) })).status).toBe(200)
  })
})

describe('an Authorization header', () => {
  test.each([
    ['that is empty', ''],
    ['with another scheme', `Basic ${btoa(`user:${known[0]}`)}`],
    ['with another scheme and a token', `Token ${known[0]}`],
    ['with a scheme that starts with "Bearer"', `Bearerx ${known[0]}`],
    ['with a token only', known[0]],
    ['without a token', 'Bearer'],
    ['without a token, but with spaces', 'Bearer   '],
    ['without a space', `Bearer${known[0]}`],
    ['with a tab instead of a space', `Bearer\t${known[0]}`],
    ['with a prefix', `x Bearer ${known[0]}`],
  ])('%s counts as no token', async (_, value) => {
    const { port } = await startAuthenticated()
    const connection = await RawConnection.open(port)

    connection.send('GET /secret HTTP/1.1', 'host: x', `authorization: ${value}`)

    expectUnauthorized(await connection.reply(), plain)
  })

  test.each([
    ['with two tokens', `Bearer ${known[0]} ${known[1]}`],
    ['with two tokens and a comma', `Bearer ${known[0]},${known[1]}`],
    ['with the scheme twice', `Bearer Bearer ${known[0]}`],
    ['with a suffix', `Bearer ${known[0]};x`],
    ['with parameters', `Bearer realm="x", token="${known[0]}"`],
    ['with quotes', `Bearer "${known[0]}"`],
    ['with half a token', `Bearer ${known[0].slice(0, -1)}`],
    ['with a token in upper case', `Bearer ${known[0].toUpperCase()}`],
    ['with a non-ASCII character', `Bearer ${known[0]}\u00fc`],
    ['of excessive length', `Bearer ${known[0]}${'x'.repeat(15_000)}`],
    ['with many spaces', `Bearer x${' '.repeat(15_000)}x`],
  ])('%s counts as an unknown token', async (_, value) => {
    const { port } = await startAuthenticated()
    const connection = await RawConnection.open(port)

    connection.send('GET /secret HTTP/1.1', 'host: x', `authorization: ${value}`)

    expectUnauthorized(await connection.reply(), invalid)
  })

  test.each([
    ['is valid', known[0], unknown, 200],
    ['is invalid', unknown, known[0], 401],
  ])('that occurs twice counts once: the first %s', async (_, first, second, status) => {
    const { port } = await startAuthenticated()
    const connection = await RawConnection.open(port)

    connection.send(
      'GET /secret HTTP/1.1',
      'host: x',
      `authorization: Bearer ${first}`,
      `authorization: Bearer ${second}`,
    )

    expect((await connection.reply()).status).toBe(status)
  })
})

describe('a browser route', () => {
  const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` })
  const page = () =>
    startHttp({
      clients: clients({ authToken: new Sensitive(known.join('\n')) }),
      authentication: authentication(),
      page: (bus) =>
        bus.subscribe(httpRoutes, (app) => void app.get('/page', { config: { browser: true } }, () => 'x')),
    })

  test.each([
    ['with any user name', basic(`user:${known[1]}`)],
    ['without a user name', basic(`:${known[0]}`)],
    [
      'with a scheme in another case',
      { authorization: basic(`x:${known[0]}`).authorization.replace('Basic', 'bASIC') },
    ],
    ['or as a bearer token', bearer(known[0])],
  ])('accepts the token as the password %s', async (_, headers) => {
    const { origin } = await page()

    expect(await fetchReply(`${origin}/page`, { headers })).toMatchObject({ status: 200, body: 'x' })
  })

  test.each([
    ['no credentials', {}, plain],
    ['an unknown password', basic(`x:${unknown}`), plain],
    ['a password with a suffix', basic(`x:${known[0]}:`), plain],
    ['the token as the user name', basic(`${known[0]}:`), plain],
    ['credentials without a colon', basic(known[0]), plain],
    ['a scheme without credentials', { authorization: 'Basic' }, plain],
    ['an unknown bearer token', bearer(unknown), invalid],
  ])('challenges a request with %s', async (_, headers: Record<string, string>, challenge) => {
    const { origin } = await page()

    const reply = await fetchReply(`${origin}/page`, { headers })

    expectUnauthorized(reply, `${challenge}, Basic realm="secret-bus", charset="UTF-8"`)
  })
})

describe('a rejected request for a secret', () => {
  test.each([
    ['no token', {}, 'Missing token'],
    ['an unknown token', bearer(unknown), 'Unknown token'],
  ])('with %s is in the audit trail with the reason', async (_, headers, reason) => {
    const service = await startAuthenticated()

    await fetchReply(`${service.origin}/secret/river`, { headers: { ...headers, 'x-request-id': 'request-1' } })

    expect(await auditRecord(service)).toEqual({
      reqId: 'request-1',
      client: undefined,
      address: '127.0.0.1',
      token: undefined,
      codeName: 'river',
      status: 401,
      cache: undefined,
      reason,
    })
  })

  test('logs neither a warning nor an error', async () => {
    const { origin, messages } = await startAuthenticated()

    await fetchReply(`${origin}/secret`)

    expect([...messages('warn'), ...messages('error')]).toEqual([])
  })
})

test('tokens do not occur in responses, metrics or the log', async () => {
  const { origin, records } = await startAuthenticated()
  const responses: unknown[] = []

  for (const token of [known[0], unknown, known[1]])
    for (const path of ['/secret', '/nothing', '/health', '/ready', '/metrics'])
      responses.push(await fetchReply(origin + path, { headers: bearer(token) }))
  responses.push(await fetchReply(`${origin}/-/reload`, { method: 'POST', headers: bearer(known[0]) }))
  responses.push(await fetchReply(`${origin}/metrics`, { headers: bearer(known[0]) }))

  expect(responses.at(-1)).toMatchObject({ status: 200, body: expect.stringContaining('channel="client.identify"') })
  expect(inspect([responses, records], { depth: 20, showHidden: true, maxStringLength: null })).not.toContain(
    'classified',
  )
})

test('a client that exceeds its rate is rejected, and the others are not', async () => {
  const limited = ['slow', 'slow-too'].map((name) => ({ name, tokens: [name], rate: 0.001 }))
  const document = { clients: [...limited, { name: 'unlimited', tokens: ['unlimited'] }] }
  const { origin } = await startHttp({
    clients: clients({ clients: new Sensitive(JSON.stringify(document)) }),
    authentication: authentication(),
    route: (bus) => bus.subscribe(httpRoutes, (app) => void app.get('/route', async () => 'read')),
  })
  const statuses: number[] = []

  for (const token of ['slow', 'slow', 'slow-too', 'slow-too', 'unlimited', 'unlimited'])
    statuses.push((await fetchReply(`${origin}/route`, { headers: bearer(token) })).status)

  expect(statuses).toEqual([200, 429, 200, 429, 200, 200])
})

describe('if the identification fails,', () => {
  const route: Subscriber = (bus) => bus.subscribe(httpRoutes, (app) => void app.get('/route', async () => 'read'))

  test('requests are not served', async () => {
    const broken: Subscriber = (bus) => bus.provide(identifyClient, () => Promise.reject(new Error('oops')))
    const { origin } = await startHttp({ broken, authentication: authentication(), route })

    const reply = await fetchReply(`${origin}/route`, { headers: bearer(known[0]) })

    expect(parseProblem(reply)).toMatchObject({ status: 500 })
  })

  test.each([null, undefined, 0, '', false])('requests are not served when it throws %j', async (thrown) => {
    const broken: Subscriber = (bus) => bus.provide(identifyClient, () => Promise.reject(thrown))
    const routes: Subscriber = (bus) => bus.subscribe(httpRoutes, (app) => void app.get('/', async () => 'admitted'))
    const { origin, messages } = await startHttp({ broken, authentication: authentication(), routes })

    expect(parseProblem(await fetchReply(origin, { headers: bearer('any') }))).toMatchObject({ status: 500 })
    expect(messages('error')).toEqual([
      `Failed to handle GET: Failed to identify the client: ${thrown || String(thrown) || '[empty string]'}`,
    ])
  })

  test.each<unknown>([
    1,
    true,
    'true',
    {},
    [],
    undefined,
    null,
    { name: 'x', may: ['secrets'], mayRead: () => true },
    { may: new Set(), mayRead: () => true },
    ...[0, Number.NaN, '5'].map((rate) => ({ name: 'x', may: new Set(['secrets']), mayRead: () => true, rate })),
    { name: 'x', may: new Set() },
  ])('requests are not served when it replies with %j', async (answer) => {
    const odd: Subscriber = (bus) => bus.provide(identifyClient, () => answer as Client) // a plugin may return any value
    const routes: Subscriber = (bus) => bus.subscribe(httpRoutes, (app) => void app.get('/', async () => 'admitted'))
    const { origin } = await startHttp({ odd, authentication: authentication(), routes })

    expectUnauthorized(await fetchReply(origin, { headers: bearer('any') }), invalid)
  })

  test('the service does not start if the channel has no provider', async () => {
    await expect(startHttp({ authentication: authentication(), route })).rejects.toThrow(MissingProviders)
  })
})
