import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { getSecret, httpRoutes } from '../../../src/channels.ts'
import { auditTrail } from '../../../src/handlers/audit-trail.ts'
import { healthRoutes } from '../../../src/handlers/routes/health.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import { SecretNotFound } from '../../../src/secret.ts'
import { identity } from '../../../src/sources/identity.ts'
import { acceptsConnections, fetchReply, RawConnection, startHttp } from '../../support/http/http.ts'

const health = { identity: identity({ container: 'x', project: 'x' }), 'health-routes': healthRoutes() }

const noSecrets: Record<string, Subscriber> = {
  stub: (bus) =>
    bus.provide(getSecret, ({ codeName }) => {
      throw new SecretNotFound(codeName)
    }),
}

/** A route at `/slow` that responds after `release` is called. */
function slowRoute() {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let requests = 0
  const slow: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => {
      app.get('/slow', async () => {
        requests += 1
        await released
        return { slow: true }
      })
    })
  return { slow, release, requests: () => requests }
}

/** Number of servers that listen in this process. */
function listeningServers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'TCPServerWrap').length
}

describe('starting', () => {
  test('listens after all subscribers have added their routes', async () => {
    const listening: boolean[] = []
    const routes: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, async (app) => {
        listening.push(app.server.listening)
        app.get('/route', async () => ({ it: 'works' }))
      })
    const { origin } = await startHttp({ routes })

    expect(listening).toEqual([false])
    expect(await fetchReply(`${origin}/route`)).toMatchObject({ status: 200, body: '{"it":"works"}' })
  })

  test('logs the address', async () => {
    const { origin, messages } = await startHttp({})

    expect(origin).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(messages('info')).toContain(`Listening on ${origin}`)
  })

  test('fails if the port is in use, and leaves no server listening', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => {
      other.close()
    })
    await once(other, 'listening')
    await expect.poll(listeningServers).toBe(1)
    const { port } = other.address() as AddressInfo // a string only for a pipe

    await expect(startHttp({}, { port })).rejects.toMatchObject({ code: 'EADDRINUSE' })

    await expect.poll(listeningServers).toBe(1)
  })

  test('fails if a subscriber cannot add its routes, and leaves no server listening', async () => {
    const broken: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, () => {
        throw new Error('oops')
      })

    await expect(startHttp({ broken })).rejects.toThrow('oops')

    await expect.poll(listeningServers).toBe(0)
  })

  test('works again after a stop', async () => {
    const service = await startHttp(health)
    await service.bus.stop()
    expect(await acceptsConnections(service.port)).toBe(false)

    await service.bus.start()

    expect((await fetchReply(`${service.origin}/ready`)).status).toBe(200)
  })
})

describe('a connection', () => {
  test('is kept alive for longer than the idle timeout of a load balancer', async () => {
    const { port } = await startHttp(health)
    const connection = await RawConnection.open(port)

    connection.send('GET /health HTTP/1.1', 'host: x')

    expect((await connection.reply()).headers).toMatchObject({ connection: 'keep-alive', 'keep-alive': 'timeout=72' })
    connection.send('GET /health HTTP/1.1', 'host: x')
    expect(await connection.reply()).toMatchObject({ status: 200 })
  })

  test('serves pipelined requests in order', async () => {
    const { port } = await startHttp(health)
    const connection = await RawConnection.open(port)

    connection.send('GET /health HTTP/1.1', 'host: x', '', 'GET /nothing HTTP/1.1', 'host: x')

    expect(await connection.reply()).toMatchObject({ status: 200 })
    expect(await connection.reply()).toMatchObject({ status: 404 })
  })
})

describe('the client address', () => {
  async function clientOf(options: { trustProxy: boolean; host?: string }, headers: Record<string, string>) {
    const { port, records } = await startHttp(
      { ...noSecrets, audit: auditTrail(), routes: secretRoutes({ codeNames: ['x'] }) },
      options,
    )
    await fetchReply(`http://127.0.0.1:${port}/secret`, { headers })
    const record = () => records.find(({ message }) => message === 'Secret accessed')
    await expect.poll(record).toBeDefined()
    return record()?.fields
  }

  test('is that of the peer, regardless of X-Forwarded-For', async () => {
    expect(await clientOf({ trustProxy: false }, { 'x-forwarded-for': '203.0.113.7' })).toMatchObject({
      address: '127.0.0.1',
    })
  })

  test('is the one that a trusted proxy appended to X-Forwarded-For', async () => {
    expect(await clientOf({ trustProxy: true }, { 'x-forwarded-for': '192.0.2.1, 203.0.113.7' })).toMatchObject({
      address: '203.0.113.7',
    })
  })

  test.each([
    ['203.0.113.7:51234', '203.0.113.7'],
    ['192.0.2.1, [2001:DB8:0::1]:443', '2001:db8::1'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['unknown', '127.0.0.1'],
    ['203.0.113.7, _hidden', '127.0.0.1'],
    ['<script>', '127.0.0.1'],
  ])('has one form, regardless of the form that a trusted proxy sends: %s', async (header, address) => {
    expect(await clientOf({ trustProxy: true }, { 'x-forwarded-for': header })).toMatchObject({ address })
  })

  test('of an IPv4 peer is the same on an IPv6 socket', async () => {
    expect(await clientOf({ trustProxy: false, host: '::' }, {})).toMatchObject({ address: '127.0.0.1' })
  })

  test('is that of the peer if a trusted proxy sends no X-Forwarded-For', async () => {
    expect(await clientOf({ trustProxy: true }, {})).toMatchObject({ address: '127.0.0.1' })
  })
})

describe('stopping', () => {
  test('while draining, is not ready but serves requests and closes their connections', async () => {
    const { bus, port } = await startHttp(health, { drain: 1_000 })
    const kept = await RawConnection.open(port)
    kept.send('GET /health HTTP/1.1', 'host: x')
    await kept.reply()

    const stopped = bus.stop()

    const fresh = await RawConnection.open(port)
    fresh.send('GET /ready HTTP/1.1', 'host: x')
    const ready = await fresh.reply()
    expect(ready).toMatchObject({ status: 503, headers: { connection: 'close' } })
    expect(JSON.parse(ready.body)).toMatchObject({
      status: 'fail',
      checks: { 'http-server': [{ status: 'fail', output: 'draining' }] },
    })
    kept.send('GET /health HTTP/1.1', 'host: x')
    expect(await kept.reply()).toMatchObject({ status: 200, headers: { connection: 'close' } })
    await expect.poll(() => kept.ended && fresh.ended).toBe(true)
    expect(bus.state).toBe('STOPPING')
    await stopped
    expect(await acceptsConnections(port)).toBe(false)
  })

  test('while draining, also closes the connections of invalid requests', async () => {
    const { bus, port } = await startHttp({}, { drain: 500 })
    const stopped = bus.stop()
    const [unknown, malformed] = [await RawConnection.open(port), await RawConnection.open(port)]

    unknown.send('GET /nothing HTTP/1.1', 'host: x')
    malformed.send('GET /%zz HTTP/1.1', 'host: x')

    expect(await unknown.reply()).toMatchObject({ status: 404, headers: { connection: 'close' } })
    expect(await malformed.reply()).toMatchObject({ status: 400, headers: { connection: 'close' } })
    await stopped
  })

  test('completes a pending request and closes its connection', async () => {
    const { slow, release, requests } = slowRoute()
    const { bus, port } = await startHttp({ slow }, { drain: 100 })
    const connection = await RawConnection.open(port)
    connection.send('GET /slow HTTP/1.1', 'host: x')
    await expect.poll(requests).toBe(1)

    const stopped = bus.stop()
    release()

    expect(await connection.reply()).toMatchObject({
      status: 200,
      body: '{"slow":true}',
      headers: { connection: 'close' },
    })
    await stopped
  })

  test('completes a pending request but accepts no new connections, without a drain period', async () => {
    const { slow, release, requests } = slowRoute()
    const { bus, port } = await startHttp({ slow })
    const connection = await RawConnection.open(port)
    connection.send('GET /slow HTTP/1.1', 'host: x')
    await expect.poll(requests).toBe(1)

    const stopped = bus.stop()

    await expect.poll(() => acceptsConnections(port)).toBe(false)
    expect(bus.state).toBe('STOPPING')
    release()
    expect(await connection.reply()).toMatchObject({ status: 200, headers: { connection: 'close' } })
    await stopped
  })

  test('closes an idle connection', async () => {
    const { bus, port } = await startHttp(health, { shutdownTimeout: 2_000 })
    const connection = await RawConnection.open(port)
    connection.send('GET /health HTTP/1.1', 'host: x')
    await connection.reply()

    expect(await bus.exit()).toBe(0)

    await expect.poll(() => connection.ended).toBe(true)
  })

  test('closes a connection that has sent nothing', async () => {
    const { bus, port } = await startHttp(health, { shutdownTimeout: 2_000 })
    const connection = await RawConnection.open(port)
    await fetchReply(`http://127.0.0.1:${port}/health`) // accepted after the first connection

    expect(await bus.exit()).toBe(0)

    await expect.poll(() => connection.ended).toBe(true)
  })

  test.each([
    ['half the head of a request', 'GET /health HTTP/1.1\r\nhost: x\r\n'],
    ['a request without its body', 'POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf'],
  ])('closes a connection that has sent only %s', async (_, sent) => {
    const body: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, (app) => {
        app.addContentTypeParser('*', { parseAs: 'string' }, (_, text, done) => done(null, text))
        app.post('/body', async () => 'complete')
      })
    const { bus, port } = await startHttp({ ...health, body }, { shutdownTimeout: 2_000 })
    const connection = await RawConnection.open(port)
    connection.socket.write(sent)
    await fetchReply(`http://127.0.0.1:${port}/health`) // accepted after the first connection

    expect(await bus.exit()).toBe(0)

    await expect.poll(() => connection.ended).toBe(true)
  })

  test('is not delayed by a client that has disconnected', async () => {
    const { slow, release, requests } = slowRoute()
    const { bus, port } = await startHttp({ slow }, { shutdownTimeout: 2_000 })
    const connection = await RawConnection.open(port)
    connection.send('GET /slow HTTP/1.1', 'host: x')
    await expect.poll(requests).toBe(1)
    connection.socket.resetAndDestroy()

    const exited = bus.exit()
    release()

    expect(await exited).toBe(0)
  })
})
