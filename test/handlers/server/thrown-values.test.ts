/** Any value that a route or provider throws gives the client problem details, and the log one line. */
import { Readable } from 'node:stream'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { request } from '../../../src/bus/channel.ts'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../src/channels.ts'
import { RequestError } from '../../../src/handlers/server/request-error.ts'
import { SourceFailure } from '../../../src/secret.ts'
import { fetchReply, parseProblem, startHttp } from '../../support/http/http.ts'

const raise = (thrown: unknown): never => {
  throw thrown
}

const query = request<void, never>('faulty.ask')

/** Starts routes that fail with the value in every way in which a route can fail. */
async function failing(thrown: unknown) {
  const routes: Subscriber = (bus) => {
    const fail = () => raise(thrown)
    bus.provide(query, fail)
    bus.subscribe(httpRoutes, (app) => {
      app.get('/async/:id', async () => fail())
      app.get('/sync/:id', () => fail())
      app.get('/rejected/:id', () => Promise.reject(thrown))
      app.get('/asked/:id', ({ id }) => bus.request(query, undefined, { id }))
      app.get('/hooked/:id', { preHandler: async () => fail() }, async () => ({}))
      app.get('/schema/:id', { schema: { response: { '5xx': { type: 'null' }, '4xx': { type: 'null' } } } }, fail)
      app.get('/serialized/:id', async (_, reply) => {
        reply.serializer(() => fail())
        fail()
      })
    })
  }
  return startHttp({ routes })
}

const hostile = (target: object) =>
  new Proxy(
    target,
    Object.fromEntries(
      ['get', 'has', 'getPrototypeOf', 'ownKeys', 'getOwnPropertyDescriptor'].map((trap) => [
        trap,
        () => {
          throw new Error('trap')
        },
      ]),
    ),
  )
const throwing = (key: string) =>
  Object.defineProperty(new Error('broken'), key, {
    get() {
      throw new Error('getter')
    },
  })
const circular = new Error('circular')
circular.cause = circular

describe('a route that throws', () => {
  test.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['0', 0],
    ['NaN', Number.NaN],
    ['false', false],
    ['an empty string', ''],
    ['a string', 'boom'],
    ['a bigint', 1n],
    ['a symbol', Symbol('s')],
    ['a function', () => 1],
    ['a plain object', { message: 'plain', cause: 'x' }],
    ['an array', [1, 2]],
    ['an object without a prototype', Object.create(null)],
    ['a frozen error', Object.freeze(new Error('frozen'))],
    ['a circular error', circular],
    ['an error of another realm', runInNewContext("new TypeError('foreign')")],
    ['an AggregateError', new AggregateError([new Error('one')], 'several')],
    ['an error with a code', Object.assign(new Error('broken'), { code: 'ERR_INVALID_ARG_TYPE' })],
    ['an error with a message that is not a string', Object.assign(new Error(), { message: 42 })],
    ['an error with a status that is not a number', Object.assign(new Error('x'), { statusCode: '404' })],
    ['an error with a status of 200', Object.assign(new Error('x'), { statusCode: 200 })],
    ['an error with a status of 999', Object.assign(new Error('x'), { statusCode: 999 })],
    ['a Proxy that throws', hostile(new Error('p'))],
    ...[
      'message',
      'code',
      'stack',
      'name',
      'cause',
      'errors',
      'statusCode',
      'status',
      'expose',
      'headers',
      'retryAfter',
    ].map((key): [string, unknown] => [`an error whose ${key} throws`, throwing(key)]),
  ])('%s is answered with a problem and logged once', async (_, thrown) => {
    const { origin, records } = await failing(thrown)
    const ways = ['async', 'sync', 'rejected', 'asked', 'hooked', 'schema', 'serialized']

    for (const way of ways) {
      const reply = await fetchReply(`${origin}/${way}/1`, { headers: { 'x-request-id': way } })

      expect(parseProblem(reply), way).toMatchObject({ status: 500, title: 'Internal Server Error' })
    }

    const lines = records.filter(({ level }) => level === 'error')
    expect(lines.map(({ fields }) => fields)).toEqual(
      ways.map((way) => expect.objectContaining({ reqId: way, method: 'GET', route: `/${way}/:id`, status: 500 })),
    )
    for (const { message } of lines) expect(message).toMatch(/^Failed to handle GET: ./)
  })

  test.each([
    ['an answer that cannot be serialized', () => ({ big: 1n })],
    ['an answer whose conversion throws null', () => ({ toJSON: () => raise(null) })],
  ])('%s is answered with a problem and logged once', async (_, answer) => {
    const routes: Subscriber = (bus) => bus.subscribe(httpRoutes, (app) => void app.get('/', async () => answer()))
    const { origin, messages } = await startHttp({ routes })

    expect(parseProblem(await fetchReply(origin))).toMatchObject({ status: 500 })
    expect(messages('error')).toHaveLength(1)
  })
})

describe('the status', () => {
  const of = async (thrown: unknown) => {
    const service = await failing(thrown)
    const reply = await fetchReply(`${service.origin}/async/1`)
    return { reply, problem: parseProblem(reply), errors: service.messages('error') }
  }
  const error = (properties: object) => Object.assign(new Error('classified'), properties)
  const withheld = 'The request was refused.'

  test.each<[string, unknown, number, string]>([
    ['of a plugin of Fastify', error({ statusCode: 429, code: 'FST_TOO_MANY' }), 429, 'classified'],
    ['of @fastify/error', error({ statusCode: 404, code: 'MY_CODE' }), 404, withheld],
    ['of http-errors', error({ statusCode: 418, status: 418, expose: true }), 418, 'classified'],
    ['of http-errors that is hidden', error({ statusCode: 409, status: 409, expose: false }), 409, withheld],
    ['of an error that has it as status', error({ status: 404 }), 404, withheld],
    ['of a request error', new RequestError(422, 'Too odd.'), 422, 'Too odd.'],
    [
      'of a parse error',
      Object.assign(new SyntaxError('classified'), { statusCode: 400, expose: true }),
      400,
      withheld,
    ],
  ])('%s is kept', async (_, thrown, status, detail) => {
    const { problem, errors } = await of(thrown)

    expect(problem).toMatchObject({ status, type: 'about:blank', detail })
    expect(errors).toEqual([])
  })

  test.each([500, 501, 503, 507])('%i of an error is kept, but not its message, and logged', async (statusCode) => {
    const { problem, errors } = await of(error({ statusCode }))

    expect(problem).toMatchObject({ status: statusCode, detail: 'The service failed to handle the request.' })
    expect(errors).toEqual(['Failed to handle GET: classified'])
  })

  const upstream: [string, unknown][] = [
    ['of undici', error({ code: 'UND_ERR_SOCKET' })],
    ['of undici for a response', error({ code: 'UND_ERR_RESPONSE', statusCode: 404 })],
    ['of the AWS SDK', error({ $metadata: { httpStatusCode: 400 }, statusCode: 400 })],
    ['of axios', error({ status: 404, response: { status: 404 } })],
    ['of got', error({ code: 'ERR_NON_2XX_3XX_RESPONSE', response: { statusCode: 403 } })],
    ['of a client, meant to be seen', error({ expose: true, statusCode: 401, response: { status: 401 } })],
    ['of fetch', Object.assign(new TypeError('fetch failed'), { cause: error({ code: 'ECONNREFUSED' }) })],
    ['that is a response', new Response('', { status: 404 })],
  ]
  test.each(upstream)('is 502 for an error %s, which is logged', async (_, thrown) => {
    const { problem, errors } = await of(thrown)

    expect(problem).toMatchObject({ status: 502, type: 'about:blank', title: 'Bad Gateway' })
    expect(JSON.stringify(problem)).not.toContain('classified')
    expect(errors).toHaveLength(1)
  })

  test.each<[string, unknown]>([
    ['undici', error({ code: 'UND_ERR_HEADERS_TIMEOUT' })],
    ['fetch', Object.assign(new TypeError('fetch failed'), { cause: error({ code: 'UND_ERR_CONNECT_TIMEOUT' }) })],
    ['AbortSignal.timeout', new DOMException('The operation was aborted due to timeout', 'TimeoutError')],
    ['the AWS SDK', Object.assign(error({ $metadata: {} }), { name: 'TimeoutError' })],
  ])('is 504 for a timeout of %s', async (_, thrown) => {
    expect((await of(thrown)).problem).toMatchObject({ status: 504, title: 'Gateway Timeout' })
  })

  test('that a handler has set is kept, unless the error has a problem type', async () => {
    const routes: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, (app) => {
        app.get('/conflict', (_, reply) => void reply.code(409).send(new Error('classified')))
        app.get('/created', (_, reply) => void reply.code(201).send(new Error('classified')))
        app.get('/unknown', (_, reply) => void reply.code(409).send(new SourceFailure('SOURCE_TIMEOUT', 'slow')))
        app.get('/refused', (_, reply) => void reply.code(404).send(new RequestError(405, 'Not so.')))
      })
    const { origin } = await startHttp({ routes })
    const status = async (path: string) => parseProblem(await fetchReply(`${origin}${path}`))['status']

    expect(parseProblem(await fetchReply(`${origin}/conflict`))).toMatchObject({ status: 409, detail: withheld })
    expect(await status('/created')).toBe(500)
    expect(await status('/unknown')).toBe(504)
    expect(await status('/refused')).toBe(405)
  })

  test('comes with the headers that belong to it, and with no others', async () => {
    const headers = { 'Retry-After': 120, 'www-authenticate': 'Bearer', 'set-cookie': 'a=b', Allow: 'GET\r\nx: y' }

    const { reply } = await of(error({ statusCode: 429, headers }))

    expect(reply.headers).toMatchObject({ 'retry-after': '120', 'www-authenticate': 'Bearer' })
    expect(Object.keys(reply.headers)).not.toEqual(expect.arrayContaining(['set-cookie']))
    expect(Object.keys(reply.headers)).not.toEqual(expect.arrayContaining(['allow']))
  })

  test('keeps a Retry-After that a hook has set', async () => {
    const routes: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, (app) => {
        app.get('/', async (_, reply) => {
          reply.header('retry-after', 77)
          throw error({ statusCode: 503 })
        })
      })
    const { origin } = await startHttp({ routes })

    expect((await fetchReply(origin)).headers['retry-after']).toBe('77')
  })

  test.each([Number.NaN, Infinity, -Infinity, 0])('has a valid Retry-After for a delay of %s', async (retryAfter) => {
    expect((await of(error({ statusCode: 503, retryAfter }))).reply.headers['retry-after']).toBe('1')
  })
})

describe('the log', () => {
  test.each(['OVERLOADED', 'BUS_EXITING', 'SOURCE_STARTING'])(
    'contains no line for a rejected request: %s',
    async (code) => {
      const { origin, messages } = await failing(Object.assign(new Error('x'), { code }))

      expect((await fetchReply(`${origin}/async/1`)).status).toBe(503)
      expect(messages('error')).toEqual([])
    },
  )

  test.each([
    ['a source', new SourceFailure('SOURCE_UNAVAILABLE', 'broken'), 502],
    ['a timeout on the bus', Object.assign(new Error('slow'), { code: 'BUS_REQUEST_TIMEOUT' }), 504],
  ])('has a line for the failure of %s on a route without an audit line', async (_, thrown, status) => {
    const { origin, messages } = await failing(thrown)

    expect((await fetchReply(`${origin}/async/1`)).status).toBe(status)
    expect(messages('error')).toHaveLength(1)
  })
})

test('a stream that fails before its first byte is answered with a problem', async () => {
  const routes: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => {
      app.get('/', (_, reply) => reply.send(new Readable({ read: (): void => void 0 }).destroy(new Error('broken'))))
    })
  const { origin, messages } = await startHttp({ routes })

  expect(parseProblem(await fetchReply(origin))).toMatchObject({ status: 500 })
  expect(messages('error')).toEqual(['Failed to handle GET: broken'])
})
