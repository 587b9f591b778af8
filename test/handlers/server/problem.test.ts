import { describe, expect, test } from 'vitest'
import { RequestTimeout } from '../../../src/bus/errors.ts'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { getSecret, httpRoutes } from '../../../src/channels.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import { SecretNotFound, SourceFailure, type SourceFailureCode } from '../../../src/secret.ts'
import { fakeProvider } from '../../../src/testing/fakes.ts'
import { ask, type HttpService, problemIn, RawConnection, startHttp } from '../../support/http/http.ts'

/** The secret routes, before somebody who fails with this. */
async function failing(thrown: unknown): Promise<HttpService> {
  const source = fakeProvider(getSecret, () => Promise.reject(thrown))
  return startHttp({ source, routes: secretRoutes({ codeNames: ['thedoctor'] }) })
}

/** Sends these bytes to a server with no routes but one that takes JSON. */
async function sending(...lines: string[]) {
  const routes: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => {
      app.get('/here', async () => ({}))
      app.post('/here', async () => ({}))
    })
  const { port } = await startHttp({ routes })
  const connection = await RawConnection.open(port)
  connection.send(...lines)
  return connection.reply()
}

const cause = new Error('AccessDeniedException from arn:aws:dynamodb:eu-west-1:123:table/x at read (dynamodb.ts:1:2)')
const source = (code: SourceFailureCode, retryAfter?: number) =>
  new SourceFailure(code, `DynamoDB: ${cause.message}`, { cause, ...(retryAfter !== undefined && { retryAfter }) })

describe('a request that fails', () => {
  test.each<[string, number, string, unknown]>([
    ['no such secret', 404, 'secret-not-found', new SecretNotFound('thedoctor')],
    ['a source that is starting', 503, 'starting', source('SOURCE_STARTING')],
    ['a source that is asked too often', 503, 'source-throttled', source('SOURCE_THROTTLED')],
    ['a source that takes too long', 504, 'source-timeout', source('SOURCE_TIMEOUT')],
    ['a subscriber that takes too long', 504, 'timeout', new RequestTimeout('secret.fetch', 'dynamodb', 5_000)],
    ['a source that cannot be reached', 502, 'source-unavailable', source('SOURCE_UNAVAILABLE')],
    ['a source that refuses', 502, 'source-refused', source('SOURCE_REFUSED')],
  ])('for %s is told as HTTP %i, %s', async (_, status, type, error) => {
    const { origin } = await failing(error)

    const reply = await ask(`${origin}/secret`)

    expect(problemIn(reply)).toMatchObject({ status, type: `urn:secret-bus:problem:${type}` })
  })

  test.each<[string, unknown]>([
    ['an error', cause],
    ['an error with a status of its own', Object.assign(new Error('x'), { statusCode: 503 })],
    ["an error with another's status", Object.assign(new Error('arn:aws:iam'), { statusCode: 403 })],
    ['a string', 'DynamoDB'],
    ['null', null],
    ['nothing', undefined],
  ])('with %s that nobody foresaw is told as HTTP 500, and no more', async (_, thrown) => {
    const { origin } = await failing(thrown)

    const reply = await ask(`${origin}/secret`)

    expect(problemIn(reply)).toMatchObject({ status: 500, type: 'about:blank', title: 'Internal Server Error' })
  })

  test('that nobody foresaw is logged with its cause', async () => {
    const { origin, records } = await failing(cause)

    await ask(`${origin}/secret`, { headers: { 'x-request-id': 'request-1' } })

    expect(records.filter(({ level }) => level === 'error')).toEqual([
      {
        level: 'error',
        message: expect.stringContaining(cause.message),
        fields: expect.objectContaining({ reqId: 'request-1', err: cause }),
      },
    ])
  })

  test('as was foreseen is no error of ours in the log', async () => {
    const { origin, messages } = await failing(source('SOURCE_REFUSED'))

    await ask(`${origin}/secret`)

    expect(messages('error')).toEqual([])
  })

  test('with HEAD is told by the status and headers alone', async () => {
    const { origin } = await failing(source('SOURCE_THROTTLED'))

    const { status, headers, body } = await ask(`${origin}/secret`, { method: 'HEAD' })

    expect(status).toBe(503)
    expect(headers).toMatchObject({ 'content-type': expect.stringContaining('problem+json'), 'retry-after': '1' })
    expect(body).toBe('')
  })
})

describe('Retry-After', () => {
  test.each([
    ['SOURCE_THROTTLED', undefined, '1'],
    ['SOURCE_STARTING', undefined, '1'],
    ['SOURCE_THROTTLED', 75, '1'],
    ['SOURCE_THROTTLED', 1_000, '1'],
    ['SOURCE_THROTTLED', 1_001, '2'],
    ['SOURCE_TIMEOUT', 2_300, '3'],
    ['SOURCE_UNAVAILABLE', 29_999, '30'],
    ['SOURCE_REFUSED', 0, '1'],
  ] as const)('of %s after %s ms is %s', async (code, retryAfter, expected) => {
    const { origin } = await failing(source(code, retryAfter))

    expect((await ask(`${origin}/secret`)).headers['retry-after']).toBe(expected)
  })

  test.each([
    ['it is not known when', source('SOURCE_UNAVAILABLE')],
    ['there is nothing to wait for', new SecretNotFound('thedoctor')],
    ['nobody foresaw it', cause],
  ])('is not there when %s', async (_, error) => {
    const { origin } = await failing(error)

    expect((await ask(`${origin}/secret`)).headers).not.toHaveProperty('retry-after')
  })
})

describe('a request that is at fault itself', () => {
  test.each([
    ['for a path where nothing is', 'GET /nothing HTTP/1.1', 404],
    ['for no path', 'OPTIONS * HTTP/1.1', 404],
    ['with a method that nothing answers', 'DELETE /here HTTP/1.1', 404],
    ['with percent encoding that breaks off', 'GET /here/%E0%A4%A HTTP/1.1', 400],
    ['with percent encoding that is none', 'GET /%zz HTTP/1.1', 400],
    ['with a method that does not exist', 'STEAL /here HTTP/1.1', 400],
    ['in a version that does not exist', 'GET /here HTTP/9.9', 400],
  ])('%s is told as a problem', async (_, requestLine, status) => {
    const reply = await sending(requestLine, 'host: x')

    expect(problemIn(reply)).toMatchObject({ status, type: 'about:blank' })
  })

  test.each([
    ['has no host', ['GET /here HTTP/1.1'], 400],
    ['is not HTTP', ['\u0016\u0003\u0001garbage'], 400],
    ['says two lengths', ['POST /here HTTP/1.1', 'host: x', 'content-length: 1', 'content-length: 2'], 400],
    ['has too long headers', ['GET /here HTTP/1.1', 'host: x', `x-long: ${'x'.repeat(20_000)}`], 431],
    ['has too long a path', [`GET /${'x'.repeat(20_000)} HTTP/1.1`, 'host: x'], 431],
  ])('since it %s is told as a problem', async (_, lines, status) => {
    const reply = await sending(...lines)

    expect(problemIn(reply)).toMatchObject({ status, type: 'about:blank' })
  })

  test.each([
    ['expects what nobody knows', ['GET /here HTTP/1.1', 'host: x', 'expect: the-impossible']],
    ['is of a time before hosts', ['GET /here HTTP/1.0']],
  ])('is none because it %s', async (_, lines) => {
    expect(await sending(...lines)).toMatchObject({ status: 200 })
  })

  test.each([
    ['that is not what it says', 'application/json', 400],
    ['of a kind that nobody reads', 'application/x-tardis', 415],
  ])('with a body %s is told as a problem', async (_, type, status) => {
    const reply = await sending(
      'POST /here HTTP/1.1',
      'host: x',
      `content-type: ${type}`,
      'content-length: 5',
      '',
      '{"a":',
    )

    expect(problemIn(reply)).toMatchObject({ status, type: 'about:blank' })
  })

  test('with too long a body is told as a problem', async () => {
    const reply = await sending(
      'POST /here HTTP/1.1',
      'host: x',
      'content-type: application/json',
      'content-length: 99999999',
    )

    expect(problemIn(reply)).toMatchObject({ status: 413, type: 'about:blank' })
  })

  test('that could not be read ends the connection, whether or not the client ends it', async () => {
    const { bus, port } = await startHttp({}, { shutdownTimeout: 2_000 })
    const connection = await RawConnection.open(port, { allowHalfOpen: true })

    connection.send('garbage')

    expect(problemIn(await connection.reply())).toMatchObject({ status: 400 })
    await expect.poll(() => connection.ended).toBe(true)
    expect(await bus.exit()).toBe(0)
  })
})
