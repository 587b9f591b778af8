import type { Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Subscriber } from '../../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../../src/channels.ts'
import { loadShedding } from '../../../../src/handlers/guards/load-shedding.ts'
import { defaultLimits, type Limits } from '../../../../src/handlers/server/limits.ts'
import { PendingReplies } from '../../../../src/handlers/server/node/pending-replies.ts'
import { fetchReply, RawConnection, startHttp } from '../../../support/http/http.ts'
import { get } from '../../../support/service/limited-service.ts'

const large = 400_000
const huge = 12_000_000 // more than the socket buffers hold

/** Starts a server with routes that reply with the same buffer, with a text of their own, or after `release`. */
async function start(given: Partial<Limits> = {}) {
  const limits = { ...defaultLimits, eventLoopDelay: Infinity, ...given }
  const shared = Buffer.alloc(large, 'x')
  const handled: string[] = []
  const { promise: go, resolve: release } = Promise.withResolvers<void>()
  let pending: PendingReplies | undefined
  const routes: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => {
      pending = PendingReplies.of(app.server)
      app.addHook('onRequest', async ({ url }) => void handled.push(url))
      app.get('/shared', async () => shared)
      app.get('/own', async () => 'x'.repeat(large))
      app.get('/huge', async () => 'x'.repeat(huge))
      app.get('/small', { config: { open: true } }, async () => 'small')
      app.get('/number/:number', async ({ params }) => (params as { number: string }).number)
      app.get('/slow', async () => go.then(() => 'slow'))
      app.get('/raw', (_, reply) => void reply.hijack().raw.end('y'.repeat(large)))
    })
  const service = await startHttp({ 'load-shedding': loadShedding(limits), routes }, { limits })
  onTestFinished(() => release())
  return { ...service, handled, release, pendingBytes: () => pending?.bytes ?? NaN }
}

/** Opens a connection that sends the request `count` times at once and reads nothing. */
async function unread(port: number, path: string, count: number): Promise<Socket> {
  const { socket } = await RawConnection.open(port)
  socket.pause()
  socket.write(`${get(path, '').join('\r\n')}\r\n`.repeat(count))
  return socket
}

const settled = async (value: () => number): Promise<number> => {
  let last = Number.NaN
  await expect
    .poll(
      () => {
        const same = last === value()
        last = value()
        return same
      },
      { interval: 100 },
    )
    .toBe(true)
  return last
}

describe('requests of one connection', () => {
  test('are handled only as fast as the client reads the responses', async () => {
    const service = await start()

    const socket = await unread(service.port, '/own', 1_000) // 400 MB

    expect(await settled(() => service.handled.length)).toBeLessThan(100)
    expect(service.pendingBytes()).toBeLessThan(1_000 * 8_192 + 20 * large)
    expect(await fetchReply(`${service.origin}/small`)).toMatchObject({ status: 200 })
    socket.destroy()
    await expect.poll(service.pendingBytes).toBe(0)
  })

  test('are answered completely and in order when the client reads', async () => {
    const service = await start()
    const connection = await RawConnection.open(service.port)
    const numbers = Array.from({ length: 3_000 }, (_, index) => String(index))

    connection.socket.write(numbers.map((number) => `${get(`/number/${number}`, '').join('\r\n')}\r\n`).join(''))

    const bodies: string[] = []
    for (const _ of numbers) bodies.push((await connection.reply()).body)
    expect(bodies).toEqual(numbers)
    connection.send(...get('/small')) // reading has resumed
    expect(await connection.reply()).toMatchObject({ status: 200 })
    await expect.poll(service.pendingBytes).toBe(0)
  })

  test('that wait are not handled when the client has disconnected', async () => {
    const service = await start()
    const socket = await unread(service.port, '/huge', 50)
    const handled = await settled(() => service.handled.length)
    expect(handled).toBeLessThan(50)

    socket.destroy()

    await expect.poll(service.pendingBytes).toBe(0)
    expect(service.handled).toHaveLength(handled)
  })

  test('close it when their replies fill half of the memory for all connections, while others are served', async () => {
    const service = await start({ pendingBytes: 4_000_000 })
    const first = await unread(service.port, '/slow', 200)
    expect(await settled(service.pendingBytes)).toBeGreaterThan(1_000_000)

    const second = await unread(service.port, '/slow', 200)
    let closed = false
    second.resume().once('close', () => {
      closed = true
    })

    await expect.poll(() => closed).toBe(true)
    expect(first.destroyed).toBe(false)
    expect(await fetchReply(`${service.origin}/number/1`)).toMatchObject({ status: 200 })
  })
})

describe('a large reply', () => {
  test.each(['/shared', '/own', '/raw'])('of %s is sent completely, with its length', async (path) => {
    const { port } = await start()
    const connection = await RawConnection.open(port)

    connection.send(...get(path, ''), ...get(path, ''), ...get('/small'))

    for (const _ of [1, 2]) {
      const { headers, body } = await connection.reply()
      expect(headers['content-length']).toBe(String(large))
      expect(body).toHaveLength(large)
    }
    expect(await connection.reply()).toMatchObject({ body: 'small' })
  })

  test('to HEAD has the length of the reply to GET and no body', async () => {
    const { origin } = await start()

    const { headers, body } = await fetchReply(`${origin}/shared`, { method: 'HEAD' })

    expect(headers).toMatchObject({ 'content-length': String(large) })
    expect(body).toBe('')
  })

  test('that many clients share counts once', async () => {
    const service = await start()

    for (let count = 0; count < 20; count += 1) await unread(service.port, '/shared', 20)

    expect(await settled(service.pendingBytes)).toBeLessThan(large + 20 * 20 * 8_192 + 20 * 100_000)
    expect(await fetchReply(`${service.origin}/shared`)).toMatchObject({ status: 200 })
  })
})

test('requests get 503, except on public routes, when unread replies fill the memory for all connections', async () => {
  const service = await start({ pendingBytes: 1_000_000, unreadTimeout: 700, checkInterval: 100 })

  const sockets = [await unread(service.port, '/huge', 1), await unread(service.port, '/huge', 1)]

  await expect.poll(service.pendingBytes).toBeGreaterThan(1_000_000)
  expect(await fetchReply(`${service.origin}/small`)).toMatchObject({ status: 200 })
  expect(await fetchReply(`${service.origin}/number/1`)).toMatchObject({ status: 503 })
  expect(service.pendingBytes()).toBeLessThan(2 * huge) // the second was refused, or closed when it was ready
  await expect.poll(service.pendingBytes).toBe(0)
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false, false]) // still open at their end
  expect(await fetchReply(`${service.origin}/number/1`)).toMatchObject({ status: 200 })
})
