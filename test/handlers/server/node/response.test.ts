import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { Subscriber } from '../../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../../src/channels.ts'
import { fetchReply, startHttp } from '../../../support/http/http.ts'

setFlagsFromString('--allow-natives-syntax')
setFlagsFromString('--expose-gc')
const isFast: (object: object) => boolean = runInNewContext('(object) => %HasFastProperties(object)')
const collectGarbage: () => void = runInNewContext('gc')

test('requests and responses keep fast properties if garbage is collected between the first ones', async () => {
  const slow: string[] = []
  const routes: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => {
      app.get('/check', async (request, reply) => {
        const objects = { request, reply, 'raw request': request.raw, 'raw reply': reply.raw, socket: request.socket }
        for (const [name, object] of Object.entries(objects)) if (!isFast(object)) slow.push(name)
        return 'done'
      })
    })
  const { origin } = await startHttp({ routes })

  for (let count = 0; count < 20; count += 1) {
    expect(await fetchReply(`${origin}/check`, { headers: { connection: 'close' } })).toMatchObject({ status: 200 })
    collectGarbage()
  }

  expect(slow).toEqual([])
})

/** Sends a text and collects what the server sends; ends the connection with the first data if asked to. */
async function received(port: number, sent: string, { endsEarly = false } = {}): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.write(sent)
  if (endsEarly) socket.once('data', () => socket.end())
  const result = await text(socket)
  socket.destroy()
  return result
}

const bytes =
  (size: number): Subscriber =>
  (bus) =>
    bus.subscribe(httpRoutes, (app) => {
      app.get('/bytes', async () => Buffer.alloc(size, 'x'))
    })

test('the interim response to a queued request precedes the head of the final one', async () => {
  const { port } = await startHttp({ bytes: bytes(10) })
  const request = 'GET /bytes HTTP/1.1\r\nHost: x\r\n'

  const sent = `${request}\r\n${request}Expect: 100-continue\r\nConnection: close\r\n\r\n`

  expect(await received(port, sent)).toMatch(/x{10}HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*x{10}$/)
})

test('a long response is complete if the client ends the connection while it is being sent', async () => {
  const size = 1_000_000
  const { port } = await startHttp({ bytes: bytes(size) })

  const response = await received(port, 'GET /bytes HTTP/1.1\r\nHost: x\r\n\r\n', { endsEarly: true })

  expect(response.slice(response.indexOf('\r\n\r\n') + 4)).toHaveLength(size)
})
