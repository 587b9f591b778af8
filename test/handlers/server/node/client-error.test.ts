import { describe, expect, test } from 'vitest'
import { parseProblem, RawConnection } from '../../../support/http/http.ts'
import {
  expectRecovery,
  get,
  startLimitedService,
  statusOnNewConnection,
} from '../../../support/service/limited-service.ts'

const post = (...headers: string[]) => ['POST /secret HTTP/1.1', 'host: x', ...headers]
const chunked = 'transfer-encoding: chunked'

describe('data that is not valid HTTP', () => {
  test.each([
    ['noise', ['\x00\xff\xfe\x01\x02']],
    ['a TLS handshake', ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03']],
    ['the HTTP/2 preface', ['PRI * HTTP/2.0', '', 'SM']],
    ['an unknown version', ['GET /secret HTTP/1.2', 'host: x']],
    ['a lower-case method', ['get /secret HTTP/1.1', 'host: x']],
    ['a path without a leading slash', ['GET secret HTTP/1.1', 'host: x']],
    ['a non-ASCII byte in the path', ['GET /secret/\xfc HTTP/1.1', 'host: x']],
    ['a NUL in the path', ['GET /secret\0 HTTP/1.1', 'host: x']],
    ['a NUL in a header', get('/secret', 'x: y\0z')],
    ['a bare CR in a header', get('/secret', 'x: y\rz: 1')],
    ['a bare CR at the end of a header', get('/secret', 'x: y\rcontent-length: 5')],
    ['bare LFs', ['GET /secret HTTP/1.1\nhost: x\n']],
    ['a folded header', get('/secret', 'x: y', ' z')],
    ['a header without a name', get('/secret', ': y')],
    ['a space after a header name', get('/secret', 'content-length : 5')],
    ['the same length twice', post('content-length: 5', 'content-length: 5')],
    ['two different lengths', post('content-length: 5', 'content-length: 6')],
    ['a list of lengths', post('content-length: 5, 5')],
    ['a negative length', post('content-length: -5')],
    ['a length with a sign', post('content-length: +5')],
    ['an overflowing length', post(`content-length: ${'9'.repeat(30)}`)],
    ['a length and chunks', post('content-length: 4', chunked, '', '0')],
    ['chunks and a length', post(chunked, 'content-length: 4', '', '0')],
    ['chunks and a length with GET', get('/secret', chunked, 'content-length: 4', '', '0')],
    ['a coding after chunked', post(`${chunked}, identity`, '', '0')],
  ])('such as %s gets problem details, and later data is ignored', async (_, lines) => {
    const service = await startLimitedService()
    const connection = await RawConnection.open(service.port)

    connection.send(...lines, '', ...get('/secret/next'))

    const reply = await connection.reply()
    expect(parseProblem(reply)).toMatchObject({ status: 400 })
    expect(reply.headers).toMatchObject({ connection: 'close' })
    await expect(connection.reply()).rejects.toThrow('The connection ended after ""')
    expect(service.executed).toEqual([])
    await expectRecovery(service)
  })

  test.each([
    ['an invalid chunk size', 'zz'],
    ['an overflowing chunk size', 'f'.repeat(20)],
    ['an endless chunk extension', `1;${'x'.repeat(20_000)}`],
    ['an endless trailer', `0\r\nx: ${'x'.repeat(20_000)}`],
  ])('such as %s ends the connection, and later data is ignored', async (_, body) => {
    const service = await startLimitedService()
    const connection = await RawConnection.open(service.port)

    connection.send(...get('/secret', chunked), '', body, '', ...get('/secret/next'))

    expect(parseProblem(await connection.reply())).toMatchObject({ status: expect.toBeOneOf([400, 431]) })
    await expect.poll(() => connection.ended).toBe(true)
    expect(service.executed).not.toContain('next')
    await expectRecovery(service)
  })

  test('after a pending request does not prevent its response', async () => {
    const service = await startLimitedService()
    const connection = await RawConnection.open(service.port)
    connection.send(...get('/secret/slow'), '', 'noise', '', ...get('/secret/next'))
    await expect.poll(() => service.executed).toEqual(['slow'])
    connection.send('more noise')
    expect(await statusOnNewConnection(service)).toBe(200)

    service.release()

    expect(await connection.reply()).toMatchObject({ status: 200, headers: { connection: 'close' } })
    await expect.poll(() => connection.ended).toBe(true)
    expect(service.executed).toEqual(['slow', 'thedoctor'])
    await expectRecovery(service)
  })

  test('gets problem details even while the client is still sending', async () => {
    const service = await startLimitedService()
    const connection = await RawConnection.open(service.port)
    const errors: Error[] = []
    connection.socket.on('error', (error) => errors.push(error))

    connection.socket.write('\x16'.repeat(1_000_000))

    expect(parseProblem(await connection.reply())).toMatchObject({ status: 400 })
    await expect.poll(() => connection.socket.closed).toBe(true)
    expect(errors).toEqual([])
    await expectRecovery(service)
  })

  test('is not read forever', async () => {
    const service = await startLimitedService()
    const { socket } = await RawConnection.open(service.port, { allowHalfOpen: true })
    const flood = () => socket.writable && socket.write('\x16'.repeat(1_000), flood)

    flood()

    await expect.poll(service.connections).toBe(1)
    expect(await statusOnNewConnection(service)).toBe(200)
    await expectRecovery(service)
  })
})

describe('valid HTTP that the service does not support', () => {
  test.each([
    ['a tunnel', ['CONNECT x:443 HTTP/1.1', 'host: x']],
    ['a tunnel to a route', ['CONNECT /secret HTTP/1.1', 'host: x']],
  ])('such as %s ends the connection', async (_, lines) => {
    const service = await startLimitedService()
    const connection = await RawConnection.open(service.port)

    connection.send(...lines, '', ...get('/secret/next'))

    await expect(connection.reply()).rejects.toThrow('The connection ended after ""')
    expect(service.executed).toEqual([])
    await expectRecovery(service)
  })

  test.each([
    ['HTTP/0.9', ['GET /secret']],
    ['HTTP/0.9 with its version', ['GET /secret HTTP/0.9']],
    ['HTTP/2 in the syntax of HTTP/1', ['GET /secret HTTP/2.0', 'host: x']],
    ['two Host headers', get('/secret', 'host: y')],
  ])('such as %s gets problem details', async (_, lines) => {
    const service = await startLimitedService()
    const connection = await RawConnection.open(service.port)

    connection.send(...lines)

    expect(parseProblem(await connection.reply())).toMatchObject({ status: 400 })
    expect(service.executed).toEqual([])
    connection.socket.destroy()
    await expectRecovery(service)
  })

  test.each([
    ['an upgrade to WebSocket', ['connection: upgrade', 'upgrade: websocket', 'sec-websocket-version: 13']],
    [
      'an upgrade to HTTP/2',
      ['connection: upgrade, http2-settings', 'upgrade: h2c', 'http2-settings: AAMAAABkAAQAAP__'],
    ],
    ['an expectation', ['expect: the-impossible']],
  ])('such as %s is ignored', async (_, headers) => {
    const service = await startLimitedService()
    const connection = await RawConnection.open(service.port)

    connection.send(...get('/secret', ...headers))

    const { status, headers: replyHeaders } = await connection.reply()
    expect(status).toBe(200)
    expect(replyHeaders).not.toHaveProperty('upgrade')
    connection.socket.destroy()
    await expectRecovery(service)
  })

  test('such as TRACE gets problem details without an echo of the request', async () => {
    const service = await startLimitedService()
    const connection = await RawConnection.open(service.port)

    connection.send('TRACE /secret HTTP/1.1', 'host: x', 'cookie: session')

    const reply = await connection.reply()
    expect(parseProblem(reply)).toMatchObject({ status: 405 })
    expect(reply.body).not.toContain('session')
    connection.socket.destroy()
    await expectRecovery(service)
  })
})
