import { once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'vitest'
import type { Subscriber } from '../../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../../src/channels.ts'
import { fetchReply, RawConnection, startHttp } from '../../../support/http/http.ts'

/** Starts a service with routes that record events. */
async function service(addRoutes: (app: FastifyInstance, record: (event: string) => void) => void) {
  const events: string[] = []
  const routes: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => addRoutes(app, (event) => void events.push(event)))
  return { ...(await startHttp({ routes })), events }
}

test('notifies a route once when the client disconnects', async () => {
  const { port, events } = await service((app, record) => {
    app.get('/waits', {
      onRequestAbort: async () => record('hook'),
      handler: async (request, reply) => {
        request.raw.once('aborted', () => record('aborted'))
        request.raw.on('close', () => record(`close, aborted: ${request.raw.aborted}`))
        request.signal.addEventListener('abort', () => record('signal'))
        record('asked')
        await once(reply.raw, 'close')
      },
    })
  })
  const connection = await RawConnection.open(port)
  connection.send('GET /waits HTTP/1.1', 'Host: example.com', '')
  await expect.poll(() => events).toEqual(['asked'])

  connection.socket.destroy()

  await expect.poll(() => events.toSorted()).toEqual(['aborted', 'asked', 'close, aborted: true', 'hook', 'signal'])
})

test.each(['', 'a body'])('notifies a route once when a request with the body %j has been answered', async (body) => {
  const { origin, events } = await service((app, record) => {
    app.route({
      method: ['GET', 'POST'],
      url: '/answers',
      handler: async (request) => {
        request.raw.on('close', () => record(`close, aborted: ${request.raw.aborted}`))
        return 'done'
      },
    })
  })

  expect(await fetchReply(`${origin}/answers`, body ? { method: 'POST', body } : {})).toMatchObject({ status: 200 })
  expect(await fetchReply(`${origin}/health`)).toMatchObject({ status: 404 }) // by then all events have been emitted

  expect(events).toEqual(['close, aborted: false'])
})

test('ignores the content type of a request without a body', async () => {
  const { port } = await service((app) => {
    app.post('/answers', async ({ body }) => `the body is ${body}`)
  })
  const connection = await RawConnection.open(port)

  connection.send('POST /answers HTTP/1.1', 'Host: example.com', 'Content-Type: application/json', '')

  expect(await connection.reply()).toMatchObject({ status: 200, body: 'the body is undefined' })
})
