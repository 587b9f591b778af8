import { once } from 'node:events'
import type { IncomingMessage, RequestListener } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Bus } from '../../../src/bus/bus.ts'
import { request as requestChannel } from '../../../src/bus/channel.ts'
import { Sensitive, SourceFailure } from '../../../src/secret.ts'
import { type Upstream, type UpstreamOptions, upstream } from '../../../src/sources/upstream/upstream.ts'
import {
  closeConnection,
  dripResponse,
  neverRespond,
  resetConnection,
  respondWith,
  stallResponse,
  startFaultyServer,
  truncateResponse,
} from '../../support/http/faulty-server.ts'

/** A client of a server that answers as given. The client closes when the test ends. */
async function client(answer: RequestListener, options: Partial<UpstreamOptions> = {}) {
  const server = await startFaultyServer(answer)
  return { api: closing(upstream({ origin: server.endpoint, ...options })), server }
}

function closing(api: Upstream): Upstream {
  onTestFinished(() => api.close())
  return api
}

/** A server that answers the first bytes of each connection with the text, and leaves the connection open. */
async function rawServer(answer: string): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).once('data', () => socket.write(answer))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server must have a port')
  return `http://127.0.0.1:${address.port}`
}

/** Responds with what it has received. */
const echo: RequestListener = async (request: IncomingMessage, response) => {
  const { method, url, headers } = request
  response.end(JSON.stringify({ method, url, headers, body: await text(request) }))
}

const failureOf = async (reply: Promise<unknown>): Promise<SourceFailure> => {
  const error = await reply.then(
    () => 'no failure',
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(SourceFailure)
  return error as SourceFailure
}

describe('a request', () => {
  test('resolves to the status, the headers and the parsed body', async () => {
    const { api } = await client((_, response) => response.writeHead(201, { 'x-total': '7' }).end('{"a":[1]}'))

    const { status, headers, body } = await api.request('/things')

    expect(status).toBe(201)
    expect(headers['x-total']).toBe('7')
    expect(body).toEqual({ a: [1] })
  })

  test('is a GET that accepts JSON by default', async () => {
    const { api } = await client(echo)

    expect((await api.request('/a/b')).body).toMatchObject({
      method: 'GET',
      url: '/a/b',
      headers: { accept: 'application/json' },
      body: '',
    })
  })

  test('sends a body as JSON, with POST unless another method is given', async () => {
    const { api } = await client(echo)

    expect((await api.request('/', { body: { name: 'rose' } })).body).toMatchObject({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"name":"rose"}',
    })
    expect((await api.request('/', { method: 'PUT', body: null })).body).toMatchObject({ method: 'PUT', body: 'null' })
  })

  test('encodes the query and leaves out undefined parameters', async () => {
    const { api } = await client(echo)

    const { body } = await api.request('/', { query: { q: 'a&b=ä', page: 2, all: true, none: undefined } })

    expect(body).toMatchObject({ url: '/?q=a%26b%3D%C3%A4&page=2&all=true' })
  })

  test('sends the headers of the client and of the request, whose own take precedence', async () => {
    const { api } = await client(echo, {
      headers: { Authorization: new Sensitive('Bearer x'), 'X-Team': 'one', accept: 'application/problem+json' },
    })

    const { body } = await api.request('/', { headers: { 'x-team': 'two' } })

    expect(body).toMatchObject({
      headers: { authorization: 'Bearer x', 'x-team': 'two', accept: 'application/problem+json' },
    })
  })

  test('sends the id of the call as x-request-id', async () => {
    const { api } = await client(echo)

    expect((await api.request('/', { call: { id: 'abc-1' } })).body).toMatchObject({
      headers: { 'x-request-id': 'abc-1' },
    })
  })

  test('stays on the origin, even if the path begins with two slashes', async () => {
    const { api } = await client(echo)

    expect((await api.request('//elsewhere.example/x')).body).toMatchObject({ url: '//elsewhere.example/x' })
  })

  test.each([204, 205])('has no body for the status %d', async (status) => {
    const { api } = await client((_, response) => response.writeHead(status).end())

    expect(await api.request('/', { method: 'DELETE' })).toMatchObject({ status, body: undefined })
  })

  test('has no body for the method HEAD', async () => {
    const { api } = await client(respondWith('{}'))

    expect(await api.request('/', { method: 'HEAD' })).toMatchObject({ status: 200, body: undefined })
  })

  test('uses a connection again, also after an error response', async () => {
    const { api, server } = await client(respondWith('{"classified":"x"}', 404), { connections: 1 })
    await api.request('/').catch(() => {})
    server.answer = respondWith('{}')
    await api.request('/')

    expect(new Set(server.requests.map(({ socket }) => socket.remotePort)).size).toBe(1)
  })

  test('waits if all connections are in use', async () => {
    const responses: (() => void)[] = []
    const { api, server } = await client((_, response) => responses.push(() => response.end('{}')), { connections: 1 })
    const both = Promise.all([api.request('/1'), api.request('/2')])
    await expect.poll(() => responses.length).toBe(1)
    expect(await server.connections()).toBe(1)

    responses[0]?.()
    await expect.poll(() => responses.length).toBe(2)
    responses[1]?.()

    expect(await both).toHaveLength(2)
  })
})

describe('a failed request', () => {
  test.each<[number, SourceFailure['code']]>([
    [302, 'SOURCE_UNAVAILABLE'],
    [400, 'SOURCE_REFUSED'],
    [401, 'SOURCE_REFUSED'],
    [403, 'SOURCE_REFUSED'],
    [404, 'SOURCE_REFUSED'],
    [408, 'SOURCE_TIMEOUT'],
    [429, 'SOURCE_THROTTLED'],
    [500, 'SOURCE_UNAVAILABLE'],
    [502, 'SOURCE_UNAVAILABLE'],
    [503, 'SOURCE_THROTTLED'],
    [504, 'SOURCE_UNAVAILABLE'],
  ])('with the status %d rejects with %s and the status', async (status, code) => {
    const { api, server } = await client((_, response) => response.writeHead(status, { location: '/other' }).end('x'))

    const failure = await failureOf(api.request('/path'))

    expect(failure).toMatchObject({ code, status, retryAfter: undefined })
    expect(failure.message).toBe(`Failed to request GET ${server.endpoint}/path: status ${status}`)
    expect(server.requests).toHaveLength(1)
  })

  test.each([429, 503])('with the status %d has the time to wait as retryAfter in milliseconds', async (status) => {
    const date = new Date(Date.now() + 3_600_000).toUTCString()
    const { api, server } = await client((_, response) => response.writeHead(status, { 'retry-after': '7' }).end())
    expect(await failureOf(api.request('/'))).toMatchObject({ retryAfter: 7_000 })

    server.answer = (_, response) => response.writeHead(status, { 'retry-after': date }).end()
    const { retryAfter } = await failureOf(api.request('/'))

    expect(retryAfter).toBeGreaterThan(3_500_000)
    expect(retryAfter).toBeLessThanOrEqual(3_600_000)
  })

  test.each<[string, RequestListener]>([
    ['closes the connection', closeConnection],
    ['resets the connection', resetConnection],
    ['closes the connection during the response', truncateResponse],
  ])('rejects with SOURCE_UNAVAILABLE if the upstream %s', async (_, answer) => {
    const { api } = await client(answer)

    expect(await failureOf(api.request('/'))).toMatchObject({ code: 'SOURCE_UNAVAILABLE', status: undefined })
  })

  test('rejects with SOURCE_UNAVAILABLE if the upstream refuses the connection', async () => {
    const { api, server } = await client(neverRespond)
    await server.close()

    const failure = await failureOf(api.request('/'))

    expect(failure).toMatchObject({ code: 'SOURCE_UNAVAILABLE', cause: { code: 'ECONNREFUSED' } })
    expect(failure.message).toContain('ECONNREFUSED')
  })

  test.each<[string, RequestListener]>([
    ['never responds', neverRespond],
    ['never finishes the response', stallResponse],
    ['sends the response a byte at a time', dripResponse],
  ])('rejects with SOURCE_TIMEOUT if the upstream %s, and closes the connection', async (_, answer) => {
    const { api, server } = await client(answer, { timeout: 100 })

    const failure = await failureOf(api.request('/'))

    expect(failure.code).toBe('SOURCE_TIMEOUT')
    expect(failure.message).toBe(`Failed to request GET ${server.endpoint}/: no response within 100 ms`)
    await expect.poll(() => server.connections()).toBe(0)
  })

  test('keeps its status if the body of the response never ends', async () => {
    const { api } = await client(
      (_, response) => response.writeHead(429, { 'retry-after': '1', 'content-length': 9 }).write('x'),
      { timeout: 100 },
    )

    expect(await failureOf(api.request('/'))).toMatchObject({ code: 'SOURCE_THROTTLED', retryAfter: 1_000 })
  })

  test.each(['classified', '{"classified":', '', '<html>classified</html>'])(
    'rejects with SOURCE_UNAVAILABLE if the body is %j instead of JSON',
    async (body) => {
      const { api } = await client(respondWith(body))

      const failure = await failureOf(api.request('/'))

      expect(failure).toMatchObject({ code: 'SOURCE_UNAVAILABLE', status: 200 })
      expect(failure.message).toMatch(/: the response must be JSON$/)
    },
  )

  test('rejects with SOURCE_UNAVAILABLE if the body is larger than maxBytes, and stops reading it', async () => {
    let written = 0
    const endless: RequestListener = (_, response) => {
      const write = () => {
        while (!response.destroyed && response.write('x'.repeat(10_000))) written += 10_000
      }
      response.on('drain', write)
      write()
    }
    const { api, server } = await client(endless, { maxBytes: 1_000 })

    expect((await failureOf(api.request('/'))).code).toBe('SOURCE_UNAVAILABLE')

    await expect.poll(() => server.connections()).toBe(0)
    expect(written).toBeLessThan(50_000_000)
  })

  test('accepts a body of exactly maxBytes', async () => {
    const { api } = await client(respondWith('"12345678"'), { maxBytes: 10 })

    expect((await api.request('/')).body).toBe('12345678')
  })

  test.each([
    ['is not HTTP', 'classified response\r\n\r\n'],
    ['has an invalid header', 'HTTP/1.1 200 OK\r\nclassified header\r\n\r\n'],
  ])('rejects with SOURCE_UNAVAILABLE if the response %s', async (_, answer) => {
    const api = closing(upstream({ origin: await rawServer(answer) }))

    const failure = await failureOf(api.request('/'))

    expect(failure.code).toBe('SOURCE_UNAVAILABLE')
    expect(inspect(failure, { depth: 10, showHidden: true })).not.toContain('classified')
  })

  test.each<[string, RequestListener]>([
    ['a status', respondWith('classified body', 403)],
    ['a timeout', neverRespond],
    ['a reset', resetConnection],
    ['invalid JSON', respondWith('classified body')],
  ])('because of %s quotes neither header values nor query nor bodies', async (_, answer) => {
    const { api } = await client(answer, { timeout: 100, headers: { authorization: 'classified header' } })
    const request = { query: { token: 'classified query' }, headers: { 'x-key': 'classified' }, body: 'classified' }

    const failure = await failureOf(api.request('/', request))

    expect(inspect(failure, { depth: 10, showHidden: true })).not.toContain('classified')
  })

  test('is a TypeError that does not quote the value if a header is invalid', async () => {
    const { api, server } = await client(echo)

    const error = await api.request('/', { headers: { 'x-key': 'classified\n' } }).catch((error) => error)

    expect(error).toEqual(TypeError(`Failed to request GET ${server.endpoint}/: invalid x-key header`))
  })

  test.each(['', 'relative', '/?q=1', '/#x', 'http://elsewhere.example/', '/a\\b', '/a\n'])(
    'is a TypeError if the path is %j',
    async (path) => {
      const { api, server } = await client(echo)

      await expect(api.request(path)).rejects.toThrow(
        TypeError('path must begin with / and must not contain ?, #, \\ or control characters'),
      )
      expect(server.requests).toHaveLength(0)
    },
  )

  test.each(['..', '.', '%2E%2e'])('is a TypeError if the variable part of a path is %j', async (id) => {
    const { api, server } = await client(echo)

    await expect(api.request(`/orders/${id}`)).rejects.toThrow(TypeError('path must not contain the segments . and ..'))
    expect(server.requests).toHaveLength(0)
  })
})

describe('the call of a request', () => {
  test('aborts it with the reason of its signal', async () => {
    const { api, server } = await client(neverRespond)
    const caller = new AbortController()
    const reply = api.request('/', { call: { signal: caller.signal } }).catch((error) => error)
    await expect.poll(() => server.requests.length).toBe(1)

    caller.abort('no longer needed')

    expect(await reply).toBe('no longer needed')
    await expect.poll(() => server.connections()).toBe(0)
  })

  test('aborts it during the body', async () => {
    const { api, server } = await client(stallResponse)
    const caller = new AbortController()
    const reply = api.request('/', { call: { signal: caller.signal } }).catch((error) => error)
    await expect.poll(() => server.requests.length).toBe(1)

    caller.abort('no longer needed')

    expect(await reply).toBe('no longer needed')
  })

  test('prevents it if its signal has aborted', async () => {
    const { api, server } = await client(echo)

    const reply = api.request('/', { call: { signal: AbortSignal.abort('too late') } })

    await expect(reply).rejects.toBe('too late')
    expect(server.requests).toHaveLength(0)
  })

  test('bounds it with its deadline', async () => {
    const { api } = await client(neverRespond, { timeout: 60_000 })

    const failure = await failureOf(api.request('/', { call: { deadline: Date.now() + 100 } }))

    expect(failure.code).toBe('SOURCE_TIMEOUT')
  })

  test('prevents it if its deadline has passed', async () => {
    const { api, server } = await client(echo)

    const failure = await failureOf(api.request('/', { call: { deadline: Date.now() - 1 } }))

    expect(failure.code).toBe('SOURCE_TIMEOUT')
    expect(server.requests).toHaveLength(0)
  })

  test('may be the context of a provider', async () => {
    const getThing = requestChannel<string, unknown>('thing.get')
    const { api, server } = await client(neverRespond)
    const bus = new Bus()
    bus.provide(getThing, (id, call) => api.request(`/things/${id}`, { call }), { name: 'things' })

    const error = await bus.request(getThing, '1', { id: 'abc', timeout: 100 }).catch((error) => error)

    // The timers of the bus and of the request end at the same time.
    expect(error).toMatchObject({ code: expect.stringMatching(/^(BUS_REQUEST|SOURCE)_TIMEOUT$/) })
    await expect.poll(() => server.connections()).toBe(0)
  })
})

describe('close', () => {
  test('waits for the requests in progress and closes the connections', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const { api, server } = await client(async (_, response) => {
      await released
      response.end('{}')
    })
    const reply = api.request('/')
    await expect.poll(() => server.requests.length).toBe(1)
    const closed = api.close()

    release()

    expect(await reply).toMatchObject({ status: 200 })
    await closed
    await expect.poll(() => server.connections()).toBe(0)
  })

  test('does nothing before the first request, and allows further requests', async () => {
    const { api } = await client(respondWith('{}'))
    await api.close()
    await api.request('/')
    await api.close()

    expect(await api.request('/')).toMatchObject({ status: 200 })
  })
})

describe('the options of upstream', () => {
  test.each(['', 'example.com', 'ftp://example.com', 'http://example.com/path', 'http://rose:classified@example.com'])(
    'refuse the origin %j without quoting it',
    (origin) => {
      expect(() => upstream({ origin })).toThrow(
        TypeError('origin must be a scheme, host and port, such as https://api.example.com'),
      )
    },
  )

  test.each([0, -1, 1.5, Number.NaN, Infinity])('refuse %d connections or bytes', (value) => {
    const origin = 'http://127.0.0.1'
    expect(() => upstream({ origin, connections: value })).toThrow(
      RangeError(`connections must be a whole number above 0, received ${value}`),
    )
    expect(() => upstream({ origin, maxBytes: value })).toThrow(
      RangeError(`maxBytes must be a whole number above 0, received ${value}`),
    )
  })

  test.each([-1, Number.NaN])('refuse a timeout of %d', (timeout) => {
    expect(() => upstream({ origin: 'http://127.0.0.1', timeout })).toThrow(RangeError)
  })

  test('accept an origin with a final slash', async () => {
    const server = await startFaultyServer(respondWith('{}'))

    const api = closing(upstream({ origin: `${server.endpoint}/` }))

    expect(await api.request('/')).toMatchObject({ status: 200 })
  })
})
