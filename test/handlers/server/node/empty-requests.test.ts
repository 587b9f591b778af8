import { once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'vitest'
import type { Subscriber } from '../../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../../src/channels.ts'
import { ask, RawConnection, startHttp } from '../../../support/http/http.ts'

/** A service with these routes, and what is noted by them. */
async function service(addRoutes: (app: FastifyInstance, note: (what: string) => void) => void) {
  const noted: string[] = []
  const routes: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => addRoutes(app, (what) => void noted.push(what)))
  return { ...(await startHttp({ routes })), noted }
}

test('a route is told, once, that the client has left', async () => {
  const { port, noted } = await service((app, note) => {
    app.get('/waits', {
      onRequestAbort: async () => note('hook'),
      handler: async (request, reply) => {
        request.raw.once('aborted', () => note('aborted'))
        request.raw.on('close', () => note(`close, aborted: ${request.raw.aborted}`))
        request.signal.addEventListener('abort', () => note('signal'))
        note('asked')
        await once(reply.raw, 'close')
      },
    })
  })
  const connection = await RawConnection.open(port)
  connection.send('GET /waits HTTP/1.1', 'Host: example.com', '')
  await expect.poll(() => noted).toEqual(['asked'])

  connection.socket.destroy()

  await expect.poll(() => noted.toSorted()).toEqual(['aborted', 'asked', 'close, aborted: true', 'hook', 'signal'])
})

test.each(['', 'a body'])(
  'a route is told, once, that a request has been answered that has the body %j',
  async (body) => {
    const { origin, noted } = await service((app, note) => {
      app.route({
        method: ['GET', 'POST'],
        url: '/answers',
        handler: async (request) => {
          request.raw.on('close', () => note(`close, aborted: ${request.raw.aborted}`))
          return 'done'
        },
      })
    })

    expect(await ask(`${origin}/answers`, body ? { method: 'POST', body } : {})).toMatchObject({ status: 200 })
    expect(await ask(`${origin}/health`)).toMatchObject({ status: 404 }) // by then whatever is told has been told

    expect(noted).toEqual(['close, aborted: false'])
  },
)

test('a request that names the type of a body, and announces none, is answered as one without', async () => {
  const { port } = await service((app) => {
    app.post('/answers', async ({ body }) => `the body is ${body}`)
  })
  const connection = await RawConnection.open(port)

  connection.send('POST /answers HTTP/1.1', 'Host: example.com', 'Content-Type: application/json', '')

  expect(await connection.reply()).toMatchObject({ status: 200, body: 'the body is undefined' })
})
