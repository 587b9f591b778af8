import { METHODS } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../src/channels.ts'
import { authentication } from '../../../src/handlers/guards/authentication.ts'
import { Sensitive } from '../../../src/secret.ts'
import { clients } from '../../../src/sources/clients/clients.ts'
import { fetchReply, parseProblem, RawConnection, type RawReply, startHttp } from '../../support/http/http.ts'

const adding =
  (add: (app: FastifyInstance) => unknown, priority = 50): Subscriber =>
  (bus) =>
    bus.subscribe(
      httpRoutes,
      async (app) => {
        await add(app)
      },
      { priority },
    )

const routes = adding((app) => {
  app.get('/get', async () => 'got')
  app.post('/post', async () => 'posted')
  app.get('/item/:id', async () => 'item')
  app.put('/item/special', async () => 'special')
  app.delete('/number/:id(^\\d+$)', async () => 'deleted')
  app.route({ method: ['GET', 'PUT'], url: '/both', handler: async () => 'both' })
  app.get('/versioned', { constraints: { version: '2.0.0' } }, async () => 'two')
  app.post('/hosted', { constraints: { host: 'h' } }, async () => 'hosted')
  app.addHttpMethod('REPORT').route({ method: 'REPORT', url: '/report', handler: async () => 'report' })
  app.register(async (part) => part.get('/', async () => 'part'), { prefix: '/part' })
  app.get('/absent', async (_request, reply) => reply.callNotFound())
})

const guard: Record<string, Subscriber> = {
  clients: clients({ authToken: new Sensitive('token') }),
  authentication: authentication(),
}

const authorized = 'authorization: Bearer token'

async function start(subscribers: Record<string, Subscriber> = {}) {
  const { port } = await startHttp({ ...subscribers, routes })
  return async (request: string, ...headers: string[]): Promise<RawReply> => {
    const connection = await RawConnection.open(port)
    const hasHost = headers.some((line) => line.startsWith('host:'))
    connection.send(`${request} HTTP/1.1`, ...(hasHost ? [] : ['host: x']), 'connection: close', ...headers)
    const reply = await connection.reply()
    connection.socket.destroy()
    return reply
  }
}

const allowed = ({ status, headers }: RawReply) => [status, headers['allow']]

describe('a method that the path does not support', () => {
  test.each([
    ['POST /get', 'GET, HEAD, OPTIONS'],
    ['GET /post', 'OPTIONS, POST'],
    ['DELETE /get?query=%zz', 'GET, HEAD, OPTIONS'],
    ['POST http://x/get', 'GET, HEAD, OPTIONS'],
    ['POST /item/1', 'GET, HEAD, OPTIONS'],
    ['POST /item/a%2Fb', 'GET, HEAD, OPTIONS'],
    ['DELETE /item/special', 'GET, HEAD, OPTIONS, PUT'],
    ['GET /number/7', 'DELETE, OPTIONS'],
    ['DELETE /both', 'GET, HEAD, OPTIONS, PUT'],
    ['POST /part', 'GET, HEAD, OPTIONS'],
    ['GET /report', 'OPTIONS, REPORT'],
    ['PROPFIND /get', 'GET, HEAD, OPTIONS'],
    ['QUERY /get', 'GET, HEAD, OPTIONS'],
    ['TRACE /get', 'GET, HEAD, OPTIONS'],
  ])('gets 405 with the others in Allow: %s', async (request, allow) => {
    const send = await start()

    const reply = await send(request)

    expect(parseProblem(reply)).toMatchObject({ status: 405, type: 'about:blank', title: 'Method Not Allowed' })
    expect(reply.headers['allow']).toBe(allow)
  })

  test('gets 405, regardless of the method', async () => {
    const send = await start()
    const others = METHODS.filter((method) => !['GET', 'HEAD', 'OPTIONS', 'CONNECT'].includes(method))

    const replies = await Promise.all(others.map((method) => send(`${method} /get`)))

    expect(replies.map(allowed)).toEqual(others.map(() => [405, 'GET, HEAD, OPTIONS']))
  })

  test('gets 405 to HEAD without a body', async () => {
    const { origin } = await startHttp({ routes })

    const reply = await fetchReply(`${origin}/post`, { method: 'HEAD' })

    expect([...allowed(reply), reply.body]).toEqual([405, 'OPTIONS, POST', ''])
  })

  test('gets 405 regardless of a version that no route has', async () => {
    const { origin } = await startHttp({ route: adding((app) => void app.get('/get', async () => 'got')) })

    const reply = await fetchReply(`${origin}/get`, { method: 'DELETE', headers: { 'accept-version': '9' } })

    expect(allowed(reply)).toEqual([405, 'GET, HEAD, OPTIONS'])
  })

  test('gets 405 only under the host and the version of the route', async () => {
    const send = await start()

    expect(allowed(await send('POST /versioned', 'accept-version: 2.x'))).toEqual([405, 'GET, HEAD, OPTIONS'])
    expect((await send('POST /versioned')).status).toBe(404)
    expect((await send('GET /versioned')).status).toBe(404)
    expect(allowed(await send('GET /hosted', 'host: h'))).toEqual([405, 'OPTIONS, POST'])
    expect((await send('GET /hosted', 'host: other')).status).toBe(404)
  })

  test('gets 405 even where a plugin replaces the 404 response', async () => {
    const part = adding((app) =>
      app.register(
        async (scope) => {
          scope.get('/here', async () => 'here')
          scope.setNotFoundHandler((_request, reply) => void reply.code(404).send('own'))
        },
        { prefix: '/own' },
      ),
    )
    const send = await start({ part })

    expect(allowed(await send('POST /own/here', 'content-length: 0'))).toEqual([405, 'GET, HEAD, OPTIONS'])
    expect(await send('GET /own/there')).toMatchObject({ status: 404, body: 'own' })
  })
})

describe('an unknown path', () => {
  test.each([
    'GET /nothing',
    'POST /nothing',
    'PROPFIND /nothing',
    'OPTIONS /nothing',
    'DELETE /number/x',
    'GET /absent',
  ])('gets 404: %s', async (request) => {
    const send = await start()

    const reply = await send(request)

    expect(parseProblem(reply)).toMatchObject({ status: 404, type: 'about:blank' })
    expect(reply.headers).not.toHaveProperty('allow')
  })
})

describe('OPTIONS', () => {
  test.each([
    ['/get', 'GET, HEAD, OPTIONS'],
    ['/item/special', 'GET, HEAD, OPTIONS, PUT'],
    ['/report', 'OPTIONS, REPORT'],
    ['*', 'DELETE, GET, HEAD, OPTIONS, POST, PUT, REPORT'],
  ])('gets 204 with the methods in Allow: %s', async (target, allow) => {
    const send = await start()

    const { status, headers, body } = await send(`OPTIONS ${target}`)

    expect({ status, allow: headers['allow'], body }).toEqual({ status: 204, allow, body: '' })
    expect(headers['x-request-id']).toBeDefined()
  })

  test('gets the response of an asynchronous hook', async () => {
    const hook = adding((app) => void app.addHook('onSend', async (_request, reply) => void reply.header('x-own', '1')))
    const send = await start({ hook })

    expect(await send('OPTIONS /get')).toMatchObject({ status: 204, headers: { 'x-own': '1' } })
    expect(await send('POST /get')).toMatchObject({ status: 405, headers: { 'x-own': '1' } })
  })

  test('is answered by a route for it, even if that serves any path', async () => {
    const preflights = adding((app) => void app.options('*', async () => 'own'))
    const send = await start({ preflights })

    expect(await send('OPTIONS /get')).toMatchObject({ status: 200, body: 'own' })
    expect(await send('OPTIONS *')).toMatchObject({ status: 200, body: 'own' })
    expect((await send('GET /nothing')).status).toBe(404)
    expect(allowed(await send('POST /get', 'content-length: 0'))).toEqual([405, 'GET, HEAD, OPTIONS'])
  })
})

test('only OPTIONS may refer to the server as a whole', async () => {
  const send = await start()

  expect((await send('GET *')).status).toBe(404)
  expect((await send('PROPFIND *')).status).toBe(404)
})

describe('a body does not change the response', () => {
  const bodies: [string, string[]][] = [
    ['valid JSON', ['content-type: application/json', 'content-length: 2', '', '{}']],
    ['invalid JSON', ['content-type: application/json', 'content-length: 2', '', 'x{']],
    ['an unknown type', ['content-type: x/y', 'content-length: 2', '', 'ab']],
    ['an invalid type', ['content-type: nonsense', 'content-length: 2', '', 'ab']],
    ['no type', ['content-length: 2', '', 'ab']],
    ['chunks', ['content-type: text/plain', 'transfer-encoding: chunked', '', '2', 'ab', '0', '', '']],
    ['too large', ['content-type: text/plain', 'content-length: 99999', '', 'ab']],
    ['not sent yet', ['content-type: application/json', 'content-length: 2']],
  ]
  test.each(bodies)('if it is %s', async (_, lines) => {
    const send = await start()

    const requests = ['POST /get', 'QUERY /get', 'OPTIONS /get', 'POST /nothing', 'OPTIONS *', 'DELETE /get']
    const replies = await Promise.all(requests.map((request) => send(request, ...lines)))

    expect(replies.map(({ status }) => status)).toEqual([405, 405, 204, 404, 204, 405])
  })

  test('which is read, so that the connection can be used again', async () => {
    const { port } = await startHttp({ routes })
    const connection = await RawConnection.open(port)

    connection.send('POST /get HTTP/1.1', 'host: x', 'content-type: x/y', 'content-length: 4', '', 'abcd')
    expect(await connection.reply()).toMatchObject({ status: 405 })
    connection.send('GET /get HTTP/1.1', 'host: x')
    expect(await connection.reply()).toMatchObject({ status: 200 })
  })
})

describe('without a valid token', () => {
  test.each([
    'POST /get',
    'PROPFIND /get',
    'OPTIONS /get',
    'OPTIONS *',
    'GET /nothing',
    'POST /nothing',
    'OPTIONS /nothing',
  ])('%s gets 401', async (request) => {
    const send = await start(guard)

    for (const lines of [[], ['authorization: Bearer other'], ['content-type: x/y', 'content-length: 99999']]) {
      const reply = await send(request, ...lines)

      expect(parseProblem(reply)).toMatchObject({ status: 401 })
      expect(reply.headers).not.toHaveProperty('allow')
    }
  })

  test('a plugin can answer preflights before the token is checked', async () => {
    const cors = adding((app) => {
      app.addHook('onRequest', async (request, reply) => {
        if (request.headers['access-control-request-method']) return reply.code(204).send()
        return undefined
      })
      app.options('*', { schema: { hide: true } }, async () => 'not a preflight')
    }, 0)
    const send = await start({ cors, ...guard })

    expect((await send('OPTIONS /get', 'origin: http://y', 'access-control-request-method: GET')).status).toBe(204)
    expect((await send('OPTIONS /get')).status).toBe(401)
    expect((await send('POST /get')).status).toBe(401)
    expect((await send('POST /get', authorized)).status).toBe(405)
    expect((await send('GET /get', authorized)).status).toBe(200)
  })
})

test('with a valid token, the status is that of the method or the path', async () => {
  const send = await start(guard)
  const requests = ['GET /get', 'POST /get', 'OPTIONS /get', 'OPTIONS *', 'POST /nothing']

  const replies = await Promise.all(requests.map((request) => send(request, authorized)))

  expect(replies.map(({ status }) => status)).toEqual([200, 405, 204, 204, 404])
})
