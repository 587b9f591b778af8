import { describe, expect, test } from 'vitest'
import { RequestTimeout } from '../../../src/bus/errors.ts'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { getSecret, httpRoutes } from '../../../src/channels.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import { SecretNotFound, SourceFailure, type SourceFailureCode } from '../../../src/secret.ts'
import { fakeProvider } from '../../../src/testing/fakes.ts'
import { fetchReply, type HttpService, parseProblem, RawConnection, startHttp } from '../../support/http/http.ts'

/** Starts the secret routes with a source that fails with the given value. */
async function failing(thrown: unknown): Promise<HttpService> {
  const source = fakeProvider(getSecret, () => Promise.reject(thrown))
  return startHttp({ source, routes: secretRoutes({ codeNames: ['thedoctor'] }) })
}

/** Sends the lines to a server that has only the path `/here`, which accepts JSON. */
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

describe('a failed request', () => {
  test.each<[string, number, string, unknown]>([
    ['a missing secret', 404, 'secret-not-found', new SecretNotFound('thedoctor')],
    ['a starting source', 503, 'starting', source('SOURCE_STARTING')],
    ['a throttled source', 503, 'source-throttled', source('SOURCE_THROTTLED')],
    ['a slow source', 504, 'source-timeout', source('SOURCE_TIMEOUT')],
    ['a slow subscriber', 504, 'timeout', new RequestTimeout('secret.fetch', 'dynamodb', 5_000)],
    ['an unreachable source', 502, 'source-unavailable', source('SOURCE_UNAVAILABLE')],
    ['a source that refuses access', 502, 'source-refused', source('SOURCE_REFUSED')],
  ])('due to %s gets status %i with the problem type %s', async (_, status, type, error) => {
    const { origin } = await failing(error)

    const reply = await fetchReply(`${origin}/secret`)

    expect(parseProblem(reply)).toMatchObject({ status, type: `urn:secret-bus:problem:${type}` })
  })

  test.each<[string, unknown]>([
    ['an error', cause],
    ['an error with a status that is not an error', Object.assign(new Error('x'), { statusCode: 200 })],
    ['a string', 'DynamoDB'],
    ['null', null],
    ['undefined', undefined],
  ])('whose source unexpectedly throws %s gets status 500 without details', async (_, thrown) => {
    const { origin } = await failing(thrown)

    const reply = await fetchReply(`${origin}/secret`)

    expect(parseProblem(reply)).toMatchObject({ status: 500, type: 'about:blank', title: 'Internal Server Error' })
  })

  test('due to an unexpected error is logged with its cause', async () => {
    const { origin, records } = await failing(cause)

    await fetchReply(`${origin}/secret`, { headers: { 'x-request-id': 'request-1' } })

    expect(records.filter(({ level }) => level === 'error')).toEqual([
      {
        level: 'error',
        message: expect.stringContaining(cause.message),
        fields: expect.objectContaining({ reqId: 'request-1', err: cause }),
      },
    ])
  })

  test('due to an expected failure logs no error', async () => {
    const { origin, messages } = await failing(source('SOURCE_REFUSED'))

    await fetchReply(`${origin}/secret`)

    expect(messages('error')).toEqual([])
  })

  test('with method HEAD gets the status and headers only', async () => {
    const { origin } = await failing(source('SOURCE_THROTTLED'))

    const { status, headers, body } = await fetchReply(`${origin}/secret`, { method: 'HEAD' })

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
  ] as const)('of %s with a delay of %s ms is %s', async (code, retryAfter, expected) => {
    const { origin } = await failing(source(code, retryAfter))

    expect((await fetchReply(`${origin}/secret`)).headers['retry-after']).toBe(expected)
  })

  test.each([
    ['the delay is unknown', source('SOURCE_UNAVAILABLE')],
    ['the secret is missing', new SecretNotFound('thedoctor')],
    ['the failure is unexpected', cause],
    ['the problem type does not have it', Object.assign(new SecretNotFound('thedoctor'), { retryAfter: 1_000 })],
  ])('is absent if %s', async (_, error) => {
    const { origin } = await failing(error)

    expect((await fetchReply(`${origin}/secret`)).headers).not.toHaveProperty('retry-after')
  })
})

describe('an invalid request', () => {
  test.each([
    ['for an unknown path', 'GET /nothing HTTP/1.1', 404],
    ['for *', 'GET * HTTP/1.1', 404],
    ['with a method without a route', 'DELETE /here HTTP/1.1', 405],
    ['with truncated percent encoding', 'GET /here/%E0%A4%A HTTP/1.1', 400],
    ['with invalid percent encoding', 'GET /%zz HTTP/1.1', 400],
    ['with an unknown method', 'STEAL /here HTTP/1.1', 400],
    ['with an unknown version', 'GET /here HTTP/9.9', 400],
  ])('%s gets problem details', async (_, requestLine, status) => {
    const reply = await sending(requestLine, 'host: x')

    expect(parseProblem(reply)).toMatchObject({ status, type: 'about:blank' })
  })

  test.each([
    ['without a Host header', ['GET /here HTTP/1.1'], 400],
    ['that is not HTTP', ['\u0016\u0003\u0001garbage'], 400],
    ['with two lengths', ['POST /here HTTP/1.1', 'host: x', 'content-length: 1', 'content-length: 2'], 400],
    ['with too long headers', ['GET /here HTTP/1.1', 'host: x', `x-long: ${'x'.repeat(20_000)}`], 431],
    ['with too long a path', [`GET /${'x'.repeat(20_000)} HTTP/1.1`, 'host: x'], 431],
  ])('%s gets problem details', async (_, lines, status) => {
    const reply = await sending(...lines)

    expect(parseProblem(reply)).toMatchObject({ status, type: 'about:blank' })
  })

  test.each([
    ['an unknown expectation', ['GET /here HTTP/1.1', 'host: x', 'expect: the-impossible']],
    ['HTTP/1.0 without a Host header', ['GET /here HTTP/1.0']],
  ])('does not include %s', async (_, lines) => {
    expect(await sending(...lines)).toMatchObject({ status: 200 })
  })

  test.each([
    ['that is malformed JSON', 'application/json', 400],
    ['of an unsupported media type', 'application/x-tardis', 415],
  ])('with a body %s gets problem details', async (_, type, status) => {
    const reply = await sending(
      'POST /here HTTP/1.1',
      'host: x',
      `content-type: ${type}`,
      'content-length: 5',
      '',
      '{"a":',
    )

    expect(parseProblem(reply)).toMatchObject({ status, type: 'about:blank' })
  })

  test('with too large a body gets problem details', async () => {
    const reply = await sending(
      'POST /here HTTP/1.1',
      'host: x',
      'content-type: application/json',
      'content-length: 99999999',
    )

    expect(parseProblem(reply)).toMatchObject({ status: 413, type: 'about:blank' })
  })

  test('that cannot be parsed ends the connection, even if the client does not close its side', async () => {
    const { bus, port } = await startHttp({}, { shutdownTimeout: 2_000 })
    const connection = await RawConnection.open(port, { allowHalfOpen: true })

    connection.send('garbage')

    expect(parseProblem(await connection.reply())).toMatchObject({ status: 400 })
    await expect.poll(() => connection.ended).toBe(true)
    expect(await bus.exit()).toBe(0)
  })
})
