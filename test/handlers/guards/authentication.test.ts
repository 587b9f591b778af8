import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { MissingProviders } from '../../../src/bus/errors.ts'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { checkToken, getSecret, httpRoutes } from '../../../src/channels.ts'
import { auditTrail } from '../../../src/handlers/audit-trail.ts'
import { authentication } from '../../../src/handlers/guards/authentication.ts'
import { busMetrics } from '../../../src/handlers/metrics/bus-metrics.ts'
import { adminRoutes } from '../../../src/handlers/routes/admin.ts'
import { healthRoutes } from '../../../src/handlers/routes/health.ts'
import { metricsRoutes } from '../../../src/handlers/routes/metrics.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import { Sensitive } from '../../../src/secret.ts'
import { identity } from '../../../src/sources/identity.ts'
import { tokens } from '../../../src/sources/tokens.ts'
import { ask, type HttpService, problemIn, RawConnection, type RawReply, startHttp } from '../../support/http/http.ts'

/** What is known, and what is not; neither is ever to be told. */
const known = ['classified-known-1', 'classified-known-2'] as const
const unknown = 'classified-unknown'

const plain = 'Bearer realm="secret-bus"'
const invalid = 'Bearer realm="secret-bus", error="invalid_token"'

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** All routes of the service, in its order, behind the tokens. */
async function guarded() {
  let given = 0
  const source: Subscriber = (bus) =>
    bus.provide(getSecret, ({ codeName }) => {
      given += 1
      const freshness = { result: 'hit', expiresAt: Infinity } as const
      return { codeName, value: new Sensitive('the secret'), fetchedAt: Date.now(), freshness }
    })
  const service = await startHttp({
    'bus-metrics': busMetrics(),
    identity: identity({ own: { container: 'x', project: 'x' } }),
    source,
    'metrics-routes': metricsRoutes(),
    tokens: tokens({ authToken: new Sensitive(known.join('\n')) }),
    authentication: authentication(),
    'admin-routes': adminRoutes(),
    'health-routes': healthRoutes(),
    'audit-trail': auditTrail(),
    'secret-routes': secretRoutes({ codeNames: ['thedoctor'] }),
  })
  return { ...service, given: () => given }
}

/** Fails unless the reply is a problem like every other, which says what is missing. */
function expectRefusal(reply: RawReply, challenge: string): void {
  expect(problemIn(reply)).toMatchObject({ status: 401, type: 'urn:secret-bus:problem:unauthorized' })
  expect(reply.headers['www-authenticate']).toBe(challenge)
}

/** Waits for the line, which is written once the reply is sent. */
async function audited({ records }: HttpService): Promise<object | undefined> {
  const line = () => records.find(({ message }) => message === 'Secret accessed')
  await expect.poll(line).toBeDefined()
  return line()?.fields
}

describe('a request with a token', () => {
  test.each(known)('that is known is served: %s', async (token) => {
    const { origin } = await guarded()

    const { status, headers, body } = await ask(`${origin}/secret`, { headers: bearer(token) })

    expect(status).toBe(200)
    expect(body).toBe('{"secret_code":"the secret"}')
    expect(headers).not.toHaveProperty('www-authenticate')
  })

  test.each(['Bearer ', 'bearer ', 'BEARER ', 'bEaReR ', 'Bearer    '])('may write %j', async (scheme) => {
    const { origin } = await guarded()

    const { status } = await ask(`${origin}/secret`, { headers: { authorization: `${scheme}${known[0]}` } })

    expect(status).toBe(200)
  })

  test('that is not known is refused, and nobody is asked for the secret', async () => {
    const { origin, given } = await guarded()

    expectRefusal(await ask(`${origin}/secret`, { headers: bearer(unknown) }), invalid)

    expect(given()).toBe(0)
  })

  test('that is known has what is not there, too', async () => {
    const { origin } = await guarded()

    const reply = await ask(`${origin}/nothing`, { headers: bearer(known[0]) })

    expect(problemIn(reply)).toMatchObject({ status: 404 })
  })

  test('is refused or served by itself, also on a connection where another was', async () => {
    const { port } = await guarded()
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
  ])('is refused: %s %s', async (method, path) => {
    const { port, given } = await guarded()
    const connection = await RawConnection.open(port)

    connection.send(`${method} ${path} HTTP/1.1`, 'host: x', 'content-length: 0')

    expectRefusal(await connection.reply(), plain)
    expect(given()).toBe(0)
  })

  test('is refused before its body comes', async () => {
    const { port } = await guarded()
    const connection = await RawConnection.open(port)

    connection.send('POST /-/reload HTTP/1.1', 'host: x', 'content-length: 10000')

    expectRefusal(await connection.reply(), plain)
  })

  test('is refused with HEAD, too', async () => {
    const { origin } = await guarded()

    expect(await ask(`${origin}/secret`, { method: 'HEAD' })).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': plain, 'cache-control': 'no-store' },
      body: '',
    })
  })

  test.each([
    { 'x-api-key': known[0] },
    { cookie: `token=${known[0]}` },
    { 'proxy-authorization': `Bearer ${known[0]}` },
  ])('has none elsewhere: %j', async (headers) => {
    const { origin } = await guarded()

    expectRefusal(await ask(`${origin}/secret`, { headers }), plain)
  })

  test.each(['/health', '/ready', '/health?x=1'])('is served where everybody is: %s', async (path) => {
    const { origin } = await guarded()

    expect((await ask(origin + path)).status).toBe(200)
    expect((await ask(origin + path, { method: 'HEAD' })).status).toBe(200)
    expect((await ask(origin + path, { headers: bearer(unknown) })).status).toBe(200)
  })
})

describe('an Authorization header', () => {
  test.each([
    ['of no scheme', ''],
    ['of another scheme', `Basic ${btoa(`user:${known[0]}`)}`],
    ['of another scheme with a token', `Token ${known[0]}`],
    ['of a scheme that begins alike', `Bearerx ${known[0]}`],
    ['that is a token alone', known[0]],
    ['without a token', 'Bearer'],
    ['without a token but for spaces', 'Bearer   '],
    ['without a space', `Bearer${known[0]}`],
    ['with a tab for a space', `Bearer\t${known[0]}`],
    ['with something before', `x Bearer ${known[0]}`],
  ])('%s is none of a token', async (_, value) => {
    const { port } = await guarded()
    const connection = await RawConnection.open(port)

    connection.send('GET /secret HTTP/1.1', 'host: x', `authorization: ${value}`)

    expectRefusal(await connection.reply(), plain)
  })

  test.each([
    ['with two tokens', `Bearer ${known[0]} ${known[1]}`],
    ['with two tokens and a comma', `Bearer ${known[0]},${known[1]}`],
    ['with the scheme twice', `Bearer Bearer ${known[0]}`],
    ['with something after', `Bearer ${known[0]};x`],
    ['with parameters', `Bearer realm="x", token="${known[0]}"`],
    ['with quotes', `Bearer "${known[0]}"`],
    ['with half a token', `Bearer ${known[0].slice(0, -1)}`],
    ['with a token in other letters', `Bearer ${known[0].toUpperCase()}`],
    ['with other letters than ASCII', `Bearer ${known[0]}\u00fc`],
    ['of great length', `Bearer ${known[0]}${'x'.repeat(15_000)}`],
    ['of many spaces', `Bearer x${' '.repeat(15_000)}x`],
  ])('%s has one that is not known', async (_, value) => {
    const { port } = await guarded()
    const connection = await RawConnection.open(port)

    connection.send('GET /secret HTTP/1.1', 'host: x', `authorization: ${value}`)

    expectRefusal(await connection.reply(), invalid)
  })

  test.each([
    ['counts', known[0], unknown, 200],
    ['is not made good by another', unknown, known[0], 401],
  ])('that is the first %s', async (_, first, second, status) => {
    const { port } = await guarded()
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

describe('a route that a browser opens', () => {
  const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` })
  const page = () =>
    startHttp({
      tokens: tokens({ authToken: new Sensitive(known.join('\n')) }),
      authentication: authentication(),
      page: (bus) =>
        bus.subscribe(httpRoutes, (app) => void app.get('/page', { config: { browser: true } }, () => 'x')),
    })

  test.each([
    ['with any user', basic(`anybody:${known[1]}`)],
    ['with none', basic(`:${known[0]}`)],
    ['in another case', { authorization: basic(`x:${known[0]}`).authorization.replace('Basic', 'bASIC') }],
    ['and as a bearer', bearer(known[0])],
  ])('takes the token as a password %s', async (_what, headers) => {
    const { origin } = await page()

    expect(await ask(`${origin}/page`, { headers })).toMatchObject({ status: 200, body: 'x' })
  })

  test.each([
    ['none', {}, plain],
    ['one that is not known', basic(`x:${unknown}`), plain],
    ['one with more to it', basic(`x:${known[0]}:`), plain],
    ['the token as the user', basic(`${known[0]}:`), plain],
    ['no pair', basic(known[0]), plain],
    ['nothing', { authorization: 'Basic' }, plain],
    ['a bearer that is not known', bearer(unknown), invalid],
  ])('asks for one where there is %s', async (_what, headers: Record<string, string>, challenge) => {
    const { origin } = await page()

    const reply = await ask(`${origin}/page`, { headers })

    expectRefusal(reply, `${challenge}, Basic realm="secret-bus", charset="UTF-8"`)
  })
})

describe('a refused request for a secret', () => {
  test.each([
    ['no token', {}, 'there is no token'],
    ['an unknown token', bearer(unknown), 'the token is not known'],
  ])('with %s is in the audit trail, with the reason', async (_, headers, reason) => {
    const service = await guarded()

    await ask(`${service.origin}/secret/river`, { headers: { ...headers, 'x-request-id': 'request-1' } })

    expect(await audited(service)).toEqual({
      reqId: 'request-1',
      client: '127.0.0.1',
      codeName: 'river',
      status: 401,
      cache: undefined,
      reason,
    })
  })

  test('is no error of ours in the log', async () => {
    const { origin, messages } = await guarded()

    await ask(`${origin}/secret`)

    expect([...messages('warn'), ...messages('error')]).toEqual([])
  })
})

test('tokens are in no reply, no metric and no line of the log', async () => {
  const { origin, records } = await guarded()
  const told: unknown[] = []

  for (const token of [known[0], unknown, known[1]])
    for (const path of ['/secret', '/nothing', '/health', '/ready', '/metrics'])
      told.push(await ask(origin + path, { headers: bearer(token) }))
  told.push(await ask(`${origin}/-/reload`, { method: 'POST', headers: bearer(known[0]) }))
  told.push(await ask(`${origin}/metrics`, { headers: bearer(known[0]) }))

  expect(told.at(-1)).toMatchObject({ status: 200, body: expect.stringContaining('channel="token.check"') })
  expect(inspect([told, records], { depth: 20, showHidden: true, maxStringLength: null })).not.toContain('classified')
})

describe('without an answer whether the token is known', () => {
  const route: Subscriber = (bus) => bus.subscribe(httpRoutes, (app) => void app.get('/route', async () => 'read'))

  test('nothing is served', async () => {
    const broken: Subscriber = (bus) => bus.provide(checkToken, () => Promise.reject(new Error('oops')))
    const { origin } = await startHttp({ broken, authentication: authentication(), route })

    const reply = await ask(`${origin}/route`, { headers: bearer(known[0]) })

    expect(problemIn(reply)).toMatchObject({ status: 500 })
  })

  test('the service does not start where nobody would give it', async () => {
    await expect(startHttp({ authentication: authentication(), route })).rejects.toThrow(MissingProviders)
  })
})
