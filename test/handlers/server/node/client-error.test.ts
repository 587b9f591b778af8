import { describe, expect, test } from 'vitest'
import { problemIn, RawConnection } from '../../../support/http/http.ts'
import { expectRecovery, get, startAttacked, statusOfVisit } from '../../../support/service/attacked-service.ts'

const post = (...headers: string[]) => ['POST /secret HTTP/1.1', 'host: x', ...headers]
const chunked = 'transfer-encoding: chunked'

describe('what is not HTTP', () => {
  test.each([
    ['noise', ['\x00\xff\xfe\x01\x02']],
    ['a handshake of TLS', ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03']],
    ['the preface of HTTP/2', ['PRI * HTTP/2.0', '', 'SM']],
    ['a version that there is not', ['GET /secret HTTP/1.2', 'host: x']],
    ['a method in small letters', ['get /secret HTTP/1.1', 'host: x']],
    ['a path without its slash', ['GET secret HTTP/1.1', 'host: x']],
    ['a byte in the path that is none of ASCII', ['GET /secret/\xfc HTTP/1.1', 'host: x']],
    ['a NUL in the path', ['GET /secret\0 HTTP/1.1', 'host: x']],
    ['a NUL in a header', get('/secret', 'x: y\0z')],
    ['a bare CR in a header', get('/secret', 'x: y\rz: 1')],
    ['a bare CR that ends a header', get('/secret', 'x: y\rcontent-length: 5')],
    ['bare LFs', ['GET /secret HTTP/1.1\nhost: x\n']],
    ['a header that goes on on the next line', get('/secret', 'x: y', ' z')],
    ['a header without a name', get('/secret', ': y')],
    ['a space after the name of a header', get('/secret', 'content-length : 5')],
    ['a length twice', post('content-length: 5', 'content-length: 5')],
    ['two lengths', post('content-length: 5', 'content-length: 6')],
    ['a list of lengths', post('content-length: 5, 5')],
    ['a length below nothing', post('content-length: -5')],
    ['a length with a sign', post('content-length: +5')],
    ['a length beyond every number', post(`content-length: ${'9'.repeat(30)}`)],
    ['a length and chunks', post('content-length: 4', chunked, '', '0')],
    ['chunks and a length', post(chunked, 'content-length: 4', '', '0')],
    ['chunks and a length with GET', get('/secret', chunked, 'content-length: 4', '', '0')],
    ['a coding after chunked', post(`${chunked}, identity`, '', '0')],
  ])('such as %s, is told as a problem, and what follows is not looked at', async (_, lines) => {
    const service = await startAttacked()
    const connection = await RawConnection.open(service.port)

    connection.send(...lines, '', ...get('/secret/next'))

    const reply = await connection.reply()
    expect(problemIn(reply)).toMatchObject({ status: 400 })
    expect(reply.headers).toMatchObject({ connection: 'close' })
    await expect(connection.reply()).rejects.toThrow('the connection ended after ""')
    expect(service.asked).toEqual([])
    await expectRecovery(service)
  })

  test.each([
    ['a size of a chunk that is none', 'zz'],
    ['a size of a chunk beyond every number', 'f'.repeat(20)],
    ['an extension of a chunk that does not end', `1;${'x'.repeat(20_000)}`],
    ['a trailer that does not end', `0\r\nx: ${'x'.repeat(20_000)}`],
  ])('such as %s, ends the connection, and what follows is not looked at', async (_, body) => {
    const service = await startAttacked()
    const connection = await RawConnection.open(service.port)

    connection.send(...get('/secret', chunked), '', body, '', ...get('/secret/next'))

    expect(problemIn(await connection.reply())).toMatchObject({ status: expect.toBeOneOf([400, 431]) })
    await expect.poll(() => connection.ended).toBe(true)
    expect(service.asked).not.toContain('next')
    await expectRecovery(service)
  })

  test('after a request that is still to be answered, does not come before its reply', async () => {
    const service = await startAttacked()
    const connection = await RawConnection.open(service.port)
    connection.send(...get('/secret/slow'), '', 'noise', '', ...get('/secret/next'))
    await expect.poll(() => service.asked).toEqual(['slow'])
    connection.send('more noise')
    expect(await statusOfVisit(service)).toBe(200)

    service.letGo()

    expect(await connection.reply()).toMatchObject({ status: 200, headers: { connection: 'close' } })
    await expect.poll(() => connection.ended).toBe(true)
    expect(service.asked).toEqual(['slow', 'thedoctor'])
    await expectRecovery(service)
  })

  test('is told to a client that has not sent all of it yet, too', async () => {
    const service = await startAttacked()
    const connection = await RawConnection.open(service.port)
    const errors: Error[] = []
    connection.socket.on('error', (error) => errors.push(error))

    connection.socket.write('\x16'.repeat(1_000_000))

    expect(problemIn(await connection.reply())).toMatchObject({ status: 400 })
    await expect.poll(() => connection.socket.closed).toBe(true)
    expect(errors).toEqual([])
    await expectRecovery(service)
  })

  test('is not read for ever', async () => {
    const service = await startAttacked()
    const { socket } = await RawConnection.open(service.port, { allowHalfOpen: true })
    const flood = () => socket.writable && socket.write('\x16'.repeat(1_000), flood)

    flood()

    await expect.poll(service.connections).toBe(1)
    expect(await statusOfVisit(service)).toBe(200)
    await expectRecovery(service)
  })
})

describe('what is HTTP, but nothing that is done here', () => {
  test.each([
    ['a tunnel', ['CONNECT x:443 HTTP/1.1', 'host: x']],
    ['a tunnel to a route', ['CONNECT /secret HTTP/1.1', 'host: x']],
  ])('such as %s, ends the connection', async (_, lines) => {
    const service = await startAttacked()
    const connection = await RawConnection.open(service.port)

    connection.send(...lines, '', ...get('/secret/next'))

    await expect(connection.reply()).rejects.toThrow('the connection ended after ""')
    expect(service.asked).toEqual([])
    await expectRecovery(service)
  })

  test.each([
    ['HTTP/0.9', ['GET /secret']],
    ['HTTP/0.9 by its name', ['GET /secret HTTP/0.9']],
    ['HTTP/2 in the words of HTTP/1', ['GET /secret HTTP/2.0', 'host: x']],
    ['a host twice', get('/secret', 'host: y')],
  ])('such as %s, is told as a problem', async (_, lines) => {
    const service = await startAttacked()
    const connection = await RawConnection.open(service.port)

    connection.send(...lines)

    expect(problemIn(await connection.reply())).toMatchObject({ status: 400 })
    expect(service.asked).toEqual([])
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
  ])('such as %s, is passed over', async (_, headers) => {
    const service = await startAttacked()
    const connection = await RawConnection.open(service.port)

    connection.send(...get('/secret', ...headers))

    const { status, headers: replied } = await connection.reply()
    expect(status).toBe(200)
    expect(replied).not.toHaveProperty('upgrade')
    connection.socket.destroy()
    await expectRecovery(service)
  })

  test('such as TRACE, is told as a problem, without what was sent', async () => {
    const service = await startAttacked()
    const connection = await RawConnection.open(service.port)

    connection.send('TRACE /secret HTTP/1.1', 'host: x', 'cookie: session')

    const reply = await connection.reply()
    expect(problemIn(reply)).toMatchObject({ status: 404 })
    expect(reply.body).not.toContain('session')
    connection.socket.destroy()
    await expectRecovery(service)
  })
})
