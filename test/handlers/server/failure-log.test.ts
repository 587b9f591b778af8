/** Every 5xx leaves one line with the request and the reason, in whichever way a route fails. */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import { describe, expect, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { getSecret, httpRoutes } from '../../../src/channels.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import { serializedError } from '../../../src/runtime/serialized-error.ts'
import { SourceFailure } from '../../../src/secret.ts'
import { fakeProvider } from '../../../src/testing/fakes.ts'
import { fetchReply, RawConnection, startHttp } from '../../support/http/http.ts'

const broken = Object.assign(new Error('broken', { cause: new Error('the cause') }), { code: 'EBROKEN' })
const fail = () => {
  throw broken
}
const halfSent = () => {
  let sent = 0
  return new Readable({
    read() {
      sent += 1
      if (sent === 1) this.push('x'.repeat(100))
      else setImmediate(() => this.destroy(broken))
    },
  })
}

type Add = (app: FastifyInstance) => unknown

/** Starts routes at `/item/:id`, requests one, and returns the lines. */
async function linesOf(add: Add, path = '/item/1', init: RequestInit = {}) {
  const routes: Subscriber = (bus) => bus.subscribe(httpRoutes, (app) => void add(app))
  const { origin, records } = await startHttp({ routes })
  const status = await fetchReply(`${origin}${path}?token=classified`, {
    ...init,
    headers: { 'x-request-id': 'request-1' },
  }).then(
    (reply) => reply.status,
    () => 'closed',
  )
  const lines = () => records.filter(({ level }) => level === 'error' || level === 'warn')
  return { status, lines }
}

const get =
  (handler: (request: FastifyRequest, reply: FastifyReply) => unknown, options: object = {}): Add =>
  (app) =>
    app.get('/item/:id', options, handler as RouteHandlerMethod)

const isBroken = { err: broken }
const replied = { err: undefined }

describe('one line with route, status, request id and reason is left by', () => {
  test.each<[string, Add, number, string, object]>([
    ['a reply', get((_, reply) => reply.code(502).send({})), 502, 'the route replied with 502', replied],
    [
      'an async reply without a body',
      get(async (_, reply) => void (await reply.code(503).send())),
      503,
      'the route replied with 503',
      replied,
    ],
    [
      'a reply with a stream',
      get((_, reply) => reply.code(502).send(Readable.from(['x']))),
      502,
      'the route replied with 502',
      replied,
    ],
    [
      'a hijacked reply',
      get((_, reply) => void reply.hijack().raw.writeHead(504).end()),
      504,
      'the route replied with 504',
      replied,
    ],
    [
      'a hijacked reply with an implicit head',
      get((_, reply) => void Object.assign(reply.hijack().raw, { statusCode: 500 }).end()),
      500,
      'the route replied with 500',
      replied,
    ],
    [
      'a hook that replies',
      get(async () => ({}), {
        preHandler: (_: unknown, reply: FastifyReply) => reply.code(503).send({}),
      }),
      503,
      'the route replied with 503',
      replied,
    ],
    ['an error with a code', get(fail), 500, 'broken', isBroken],
    [
      'an error in an onRequest hook',
      get(async () => ({}), { onRequest: async () => fail() }),
      500,
      'broken',
      isBroken,
    ],
    [
      'an error in a preSerialization hook',
      get(async () => ({}), { preSerialization: async () => fail() }),
      500,
      'broken',
      isBroken,
    ],
    [
      'an error in an onSend hook, twice',
      get(async () => ({}), { onSend: async () => fail() }),
      500,
      'broken',
      isBroken,
    ],
    [
      'an error handler of a plugin that replies',
      (app) =>
        app.register(async (child) => {
          child.setErrorHandler((_error, _request, reply) => reply.code(502).send({}))
          child.get('/item/:id', fail)
        }),
      502,
      'broken',
      isBroken,
    ],
    [
      'a stream that fails before its first byte',
      get((_, reply) => reply.send(new Readable({ read() {} }).destroy(broken))),
      500,
      'broken',
      isBroken,
    ],
  ])('%s', async (_, add, status, reason, fields) => {
    const { status: received, lines } = await linesOf(add)

    expect(received).toBe(status)
    expect(lines()).toEqual([
      {
        level: 'error',
        message: `Failed to handle GET: ${reason}`,
        fields: { reqId: 'request-1', method: 'GET', route: '/item/:id', status, ...fields },
      },
    ])
  })

  test('an error of a request without a route, as in the metrics', async () => {
    const { lines } = await linesOf((app) => app.addHook('onRequest', async () => fail()))

    expect(lines().map(({ fields }) => fields)).toEqual([
      { reqId: 'request-1', method: 'GET', route: 'none', status: 500, err: broken },
    ])
  })

  test('two errors, of which the second occurs while the response to the first is sent', async () => {
    const second = new Error('second')
    const { lines } = await linesOf(get(fail, { onSend: () => Promise.reject(second) }))

    expect(lines().map(({ message }) => message)).toEqual(['Failed to handle GET: broken; second'])
    expect(lines()[0]?.fields).toMatchObject({ err: { errors: [broken, second] } })
  })

  test('a stream that fails after its head, which is not a 5xx any more', async () => {
    const { status, lines } = await linesOf(get((_, reply) => reply.send(halfSent())))

    expect(status).toBe('closed')
    expect(lines()).toEqual([
      {
        level: 'error',
        message: 'Failed to send the response to GET: broken',
        fields: { reqId: 'request-1', method: 'GET', route: '/item/:id', status: 200, err: broken },
      },
    ])
  })

  test('a stream with a 5xx that fails after its head', async () => {
    const { lines } = await linesOf(get((_, reply) => reply.code(502).send(halfSent())))

    expect(lines().map(({ message }) => message)).toEqual(['Failed to handle GET: the route replied with 502'])
  })

  test('a path without a route, if a hook fails', async () => {
    const { lines } = await linesOf((app) => app.addHook('onRequest', async () => fail()), '/none')

    expect(lines().map(({ fields }) => fields)).toEqual([expect.objectContaining({ status: 500, err: broken })])
  })
})

test('the line of an error with a code has its stack and its causes', () => {
  expect(serializedError(broken)).toMatchObject({
    code: 'EBROKEN',
    stack: expect.stringContaining('failure-log.test.ts'),
    cause: { message: 'the cause', stack: expect.stringContaining('failure-log.test.ts') },
  })
})

describe('no line is left by', () => {
  test.each<[string, Add, string]>([
    ['a success', get(async () => ({})), '/item/1'],
    ['a 4xx', get((_, reply) => reply.code(409).send({})), '/item/1'],
    ['an unknown path', get(async () => ({})), '/none'],
    ['a malformed path', get(async () => ({})), '/item/%ff'],
  ])('%s', async (_, add, path) => {
    expect((await linesOf(add, path)).lines()).toEqual([])
  })

  test('a client that disconnects while it receives a stream', async () => {
    const { promise: closed, resolve: onClose } = Promise.withResolvers<void>()
    const routes: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, (app) => {
        app.get('/', (_, reply) => {
          const endless = new Readable({ read: () => void setImmediate(() => endless.push('x'.repeat(1_000))) })
          reply.raw.on('close', () => setImmediate(onClose))
          return reply.send(endless)
        })
      })
    const { port, messages } = await startHttp({ routes })
    const client = await RawConnection.open(port)
    client.send('GET / HTTP/1.1', 'host: x')
    await expect.poll(() => client.socket.bytesRead).toBeGreaterThan(1_000)
    client.socket.destroy()
    await closed

    expect(messages('error')).toEqual([])
  })

  test('a failed read of a secret, which has an audit line', async () => {
    const source = fakeProvider(getSecret, () => Promise.reject(new SourceFailure('SOURCE_UNAVAILABLE', 'down')))
    const { origin, messages } = await startHttp({ source, routes: secretRoutes({ codeNames: ['thedoctor'] }) })

    expect((await fetchReply(`${origin}/secret`)).status).toBe(502)

    expect(messages('error')).toEqual([])
  })
})

test('rejected requests leave one line, and their number', async () => {
  const overloaded = Object.assign(new Error('Too many'), { code: 'OVERLOADED' })
  const routes: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => void app.get('/', () => Promise.reject(overloaded)))
  const { origin, messages, stop } = await startHttp({ routes })

  for (let count = 0; count < 5; count += 1) await fetchReply(origin)
  expect(messages('warn')).toEqual(['Rejecting requests: Too many'])
  await stop()

  expect(messages('warn')).toEqual(['Rejecting requests: Too many', 'Rejected 4 more requests: OVERLOADED'])
  expect(messages('error')).toEqual([])
})
