import { describe, expect, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../src/channels.ts'
import { certificateFiles, clientOf, newCertificate } from '../../support/http/certificate.ts'
import { fetchReply, RawConnection, startHttp } from '../../support/http/http.ts'

const certificate = await newCertificate()

const routes: Subscriber = (bus) =>
  bus.subscribe(httpRoutes, (app) => {
    app.get('/text', async () => 'text')
    app.get('/error', async () => Promise.reject(new Error('oops')))
    app.get('/stream', async () => new Blob(['streamed']).stream())
    app.get('/empty', async (_request, reply) => reply.code(204).send())
    app.get('/own', async (_request, reply) => reply.header('Strict-Transport-Security', 'max-age=1').send('own'))
    app.get('/raw', (_request, reply) => void reply.hijack().raw.end('raw'))
    app.get('/raw-head', (_request, reply) => void reply.hijack().raw.writeHead(200, { a: 'b' }).end('raw'))
    app.get('/raw-reason', (_request, reply) => void reply.hijack().raw.writeHead(200, 'Fine', { a: 'b' }).end('raw'))
    app.get('/raw-list', (_request, reply) => void reply.hijack().raw.writeHead(200, ['a', 'b', 'a', 'c']).end('raw'))
  })

const paths = [
  '/text',
  '/error',
  '/stream',
  '/empty',
  '/own',
  '/raw',
  '/raw-head',
  '/raw-reason',
  '/raw-list',
  '/nothing',
  '/%zz',
]

describe('X-Content-Type-Options', () => {
  test.each(paths)('is nosniff in the response to %s', async (path) => {
    const { origin } = await startHttp({ routes })

    expect((await fetchReply(`${origin}${path}`)).headers['x-content-type-options']).toBe('nosniff')
  })

  test.each([
    ['a request that is not HTTP', 'garbage\r\n\r\n', 400],
    ['too large a head', `GET /text HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['a request without Host', 'GET /text HTTP/1.1\r\n\r\n', 400],
    ['an unsupported method', 'POST /text HTTP/1.1\r\nhost: x\r\n\r\n', 405],
  ])('is nosniff in the response to %s', async (_, sent, status) => {
    const { port } = await startHttp({ routes })
    const connection = await RawConnection.open(port)

    connection.socket.write(sent)

    expect(await connection.reply()).toMatchObject({ status, headers: { 'x-content-type-options': 'nosniff' } })
  })
})

describe('Strict-Transport-Security', () => {
  async function secured() {
    const { options } = await certificateFiles(certificate)
    const { origin } = await startHttp({ routes }, options)
    const get = clientOf(origin, certificate)
    return async (path: string, host: string) =>
      (await get(path, { headers: { host }, servername: '', checkServerIdentity: () => undefined })).headers[
        'strict-transport-security'
      ]
  }

  test('is in every response over HTTPS, for this host only', async () => {
    const get = await secured()

    for (const path of paths.filter((path) => path !== '/own'))
      expect(await get(path, 'example.com'), path).toBe('max-age=31536000')
  })

  test('is not changed if a plugin sets it', async () => {
    const get = await secured()

    expect(await get('/own', 'example.com')).toBe('max-age=1')
  })

  test.each(['localhost', 'localhost:5000', 'app.localhost', '127.0.0.1', '127.0.0.1:443', '[::1]:5000'])(
    'is absent for %s',
    async (host) => {
      const get = await secured()

      expect(await get('/text', host)).toBeUndefined()
      expect(await get('/nothing', host)).toBeUndefined()
    },
  )

  test('is absent over HTTP', async () => {
    const { port } = await startHttp({ routes })
    const connection = await RawConnection.open(port)

    connection.send('GET /text HTTP/1.1', 'host: example.com')

    expect((await connection.reply()).headers).not.toHaveProperty('strict-transport-security')
  })
})
