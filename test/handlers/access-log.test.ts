import { expect, onTestFinished, test } from 'vitest'
import type { Subscriber } from '../../src/bus/process/process-bus.ts'
import { httpRoutes, identifyClient } from '../../src/channels.ts'
import type { Client } from '../../src/client.ts'
import { accessLog } from '../../src/handlers/access-log.ts'
import { authentication } from '../../src/handlers/guards/authentication.ts'
import { fakeProvider } from '../../src/testing/fakes.ts'
import { startService } from '../../src/testing/service.ts'
import { fetchReply, RawConnection, startHttp } from '../support/http/http.ts'

const client: Client = { name: 'shop', may: new Set(), mayRead: () => true }

/** Starts a route for each way in which a request ends. */
async function logged() {
  const routes: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => {
      app.get('/items/:id', async () => ({}))
      app.get('/open', { config: { open: true } }, async () => ({}))
      app.get('/broken', () => Promise.reject(new Error('broken')))
      app.get('/pending', () => new Promise(() => {}))
    })
  const identify = fakeProvider(identifyClient, async ({ token }) =>
    token?.reveal() === 'classified' ? client : undefined,
  )
  const service = await startHttp({ 'access-log': accessLog(), identify, authentication: authentication(), routes })
  const lines = () => service.records.filter(({ message }) => message === 'Handled request')
  return { ...service, lines }
}

const line = (fields: object) => ({
  level: 'info',
  message: 'Handled request',
  fields: {
    reqId: expect.any(String),
    client: undefined,
    address: '127.0.0.1',
    method: 'GET',
    route: 'none',
    ms: expect.any(Number),
    ...fields,
  },
})

test.each<[string, string, string, object]>([
  [
    'of a client',
    'GET /items/secret-7?token=classified',
    'classified',
    { client: 'shop', route: '/items/:id', status: 200 },
  ],
  ['to an open route', 'GET /open', '', { route: '/open', status: 200 }],
  ['that is refused', 'GET /items/secret-7', 'wrong', { route: '/items/:id', status: 401 }],
  ['that fails', 'GET /broken', 'classified', { client: 'shop', route: '/broken', status: 500 }],
  ['to an unknown path', 'GET /secret-7?token=classified', 'classified', { client: 'shop', status: 404 }],
  ['with another method', 'DELETE /items/secret-7', 'classified', { client: 'shop', method: 'DELETE', status: 405 }],
  ['to a malformed path', 'GET /secret-7%zz?token=classified', 'classified', { status: 400 }],
])('has one line for a request %s, without path, query and headers', async (_, target, token, fields) => {
  const { port, lines } = await logged()
  const connection = await RawConnection.open(port)

  connection.send(`${target} HTTP/1.1`, 'host: x', `authorization: Bearer ${token}`, 'x-request-id: request-1')
  await connection.reply()

  await expect.poll(lines).toEqual([line({ reqId: 'request-1', ...fields })])
  expect(JSON.stringify(lines())).not.toMatch(/classified|secret-7/)
})

test('has a line with status 499 for a client that disconnects', async () => {
  const { port, activity, lines } = await logged()
  const connection = await RawConnection.open(port)
  connection.send('GET /pending HTTP/1.1', 'host: x', 'authorization: Bearer classified')
  await expect.poll(() => activity.some(({ channel }) => channel === identifyClient.name)).toBe(true)

  connection.socket.destroy()

  await expect.poll(lines).toEqual([line({ client: 'shop', route: '/pending', status: 499 })])
})

test('has the lines of all requests when the server has stopped', async () => {
  const { origin, stop, lines } = await logged()

  await Promise.all(Array.from({ length: 20 }, () => fetchReply(`${origin}/open`)))
  await stop()

  expect(lines()).toHaveLength(20)
})

test.each([
  ['has no line unless it is on', {}, []],
  ['is an option', { 'access-log': true }, ['/health']],
])('%s', async (_, flags, routes) => {
  const service = await startService({}, { embedded: true, ...flags })
  onTestFinished(async () => void (await service.stop()))

  await fetchReply(`${service.origin}/health`)
  await service.stop()

  const lines = service.records.filter(({ message }) => message === 'Handled request')
  expect(lines.map(({ fields }) => (fields as { route: string }).route)).toEqual(routes)
})
