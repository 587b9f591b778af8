import type { Server } from 'node:http'
import { describe, expect, type MockInstance, test, vi } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../src/channels.ts'
import { parseProblem, RawConnection, type RawReply, startHttp } from '../../support/http/http.ts'
import {
  expectRecovery,
  get,
  type LimitedService,
  startLimitedService,
  statusOnNewConnection,
} from '../../support/service/limited-service.ts'

/** Sends the lines and returns the response. Fails unless the server then closes the connection. */
async function lastReply({ port }: LimitedService, ...lines: string[]): Promise<RawReply> {
  const connection = await RawConnection.open(port)
  connection.send(...lines)
  const reply = await connection.reply()
  await expect(connection.reply()).rejects.toThrow('The connection ended')
  return reply
}

describe('the head of a request', () => {
  const x = (length: number) => 'x'.repeat(length)

  test.each([
    ['a URL', [`GET /${x(1_001)} HTTP/1.1`, 'host: x']],
    ['a query', get(`/secret?${x(1_001)}`)],
    ['a URL and a header together', get(`/secret?${x(501)}`, `x: ${x(500)}`)],
    ['a header', get('/secret', `x: ${x(1_001)}`)],
    ['a header name', get('/secret', `${x(1_001)}: x`)],
    ['a head of many headers', get('/secret', ...Array.from({ length: 501 }, () => 'x:x'))],
    ['an endless head', get('/secret', ...Array.from({ length: 100_000 }, () => 'x:x'))],
  ])('must not have %s longer than the limit', async (_, lines) => {
    const service = await startLimitedService({ head: 1_000 })

    const reply = await lastReply(service, ...lines)

    expect(parseProblem(reply)).toMatchObject({ status: 431 })
    expect(service.executed).toEqual([])
    await expectRecovery(service)
  })

  test('may be nearly as long as the limit', async () => {
    const service = await startLimitedService({ head: 1_000 })

    const reply = await lastReply(service, ...get('/secret', 'connection: close', `x: ${x(900)}`))

    expect(reply).toMatchObject({ status: 200 })
  })
})

describe('a path parameter', () => {
  test.each([
    ['as long as the limit is served', 'x'.repeat(10), 200],
    ['longer than the limit is rejected', 'x'.repeat(11), 414],
    ['longer than the limit, percent-encoded, is rejected', '%78'.repeat(11), 414],
  ])('%s', async (_, name, status) => {
    const service = await startLimitedService({ parameter: 10 })

    const reply = await lastReply(service, ...get(`/secret/${name}`, 'connection: close'))

    expect(reply).toMatchObject({ status })
    expect(service.executed).toHaveLength(status === 200 ? 1 : 0)
  })
})

describe('a body', () => {
  const json = 'content-type: application/json'
  const chunked = 'transfer-encoding: chunked'

  test.each([
    ['on a route', 'POST /body HTTP/1.1', [json, 'content-length: 101'], ''],
    ['on a route that reads no body', 'GET /secret HTTP/1.1', ['content-length: 101'], ''],
    ['on a public route', 'GET /health HTTP/1.1', ['content-length: 101'], ''],
    ['without a media type', 'POST /body HTTP/1.1', ['content-length: 101'], ''],
    ['in one chunk', 'POST /body HTTP/1.1', [json, chunked], `65\r\n${'x'.repeat(101)}`],
    ['in many chunks', 'DELETE /body HTTP/1.1', [json, chunked], '1\r\nx\r\n'.repeat(101)],
  ])('longer than the limit is rejected %s', async (_, requestLine, headers, body) => {
    const service = await startLimitedService({ body: 100 })

    const reply = await lastReply(service, requestLine, 'host: x', ...headers, '', body)

    expect(parseProblem(reply)).toMatchObject({ status: 413 })
    await expectRecovery(service)
  })

  test.each([
    ['an unknown path', 'PUT /nothing HTTP/1.1', 404],
    ['a method that the path does not support', 'POST /secret HTTP/1.1', 405],
  ])('does not change the status of %s', async (_, requestLine, status) => {
    const service = await startLimitedService({ body: 100 })

    const reply = await lastReply(service, requestLine, 'host: x', json, 'content-length: 101', '', '')

    expect(parseProblem(reply)).toMatchObject({ status })
    await expectRecovery(service)
  })

  test.each([
    ['GET /secret HTTP/1.1', 'content-length: 101'],
    ['GET /secret HTTP/1.1', chunked],
    ['GET /health HTTP/1.1', chunked],
    ['POST /nothing HTTP/1.1', 'content-length: 101'],
    ['OPTIONS /secret HTTP/1.1', chunked],
  ])('that no route reads is not read beyond the limit, after %s with %s', async (requestLine, header) => {
    const service = await startLimitedService({ body: 100 })

    const reply = await lastReply(service, requestLine, 'host: x', header, '', '64') // and apparently more

    expect(reply).toMatchObject({ headers: { connection: 'close' } })
    await expectRecovery(service)
  })

  test('that does not end is not read, while other clients are served', async () => {
    const service = await startLimitedService()
    const attacker = await RawConnection.open(service.port)
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
    const flood = () => attacker.socket.writable && attacker.socket.write(chunk, flood)

    attacker.send(...get('/secret', chunked))
    flood()

    expect(await statusOnNewConnection(service)).toBe(200)
    await expect.poll(() => attacker.ended, { timeout: 5_000 }).toBe(true)
    await expectRecovery(service)
  })

  test('within the limit is skipped, and the connection is kept alive', async () => {
    const service = await startLimitedService({ body: 100 })
    const connection = await RawConnection.open(service.port)

    connection.send(...get('/secret', 'content-length: 100'), '', 'x'.repeat(100) + get('/secret/next').join('\r\n'))

    expect(await connection.reply()).toMatchObject({ status: 200, headers: { connection: 'keep-alive' } })
    expect(await connection.reply()).toMatchObject({ status: 200 })
    expect(service.executed).toEqual(['thedoctor', 'next'])
  })
})

test('passes the backlog to the listening socket', async () => {
  let listen: MockInstance<Server['listen']> | undefined
  const watch: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => {
      listen = vi.spyOn(app.server, 'listen')
    })

  await startHttp({ watch }, { limits: { backlog: 7 } })

  expect(listen?.mock.calls[0]?.[0]).toMatchObject({ backlog: 7 }) // the rest is up to the kernel
})
