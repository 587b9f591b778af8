import { expect, onTestFinished, test } from 'vitest'
import type { Limits } from '../../../src/handlers/server/limits.ts'
import { certificateFiles, newCertificate } from '../../support/http/certificate.ts'
import { parseProblem, RawConnection } from '../../support/http/http.ts'
import {
  expectRecovery,
  get,
  type LimitedService,
  startLimitedService,
  statusOnNewConnection,
} from '../../support/service/limited-service.ts'

interface Attack {
  /** Sent when the connection opens. */
  readonly start: string
  /** Then sent repeatedly, a byte at a time, while the connection is open. */
  readonly more?: string
}

/** Opens a number of connections that send data in the same way. */
async function attack(count: number, { port }: LimitedService, { start, more }: Attack): Promise<RawConnection[]> {
  const attackers = await Promise.all(Array.from({ length: count }, () => RawConnection.open(port)))
  for (const { socket } of attackers) {
    socket.write(start, 'latin1')
    if (more === undefined) continue
    let sent = 0
    const drip = setInterval(() => socket.writable && socket.write(more.charAt(sent++ % more.length)), 10)
    onTestFinished(() => clearInterval(drip))
  }
  return attackers
}

/** Fails unless the responses have the statuses, and the errors are problem details. */
async function expectReplies(connection: RawConnection, statuses: readonly number[], sent: string): Promise<void> {
  for (const status of statuses) {
    const reply = await connection.reply()
    expect(reply.status, sent).toBe(status)
    if (status >= 400) parseProblem(reply)
  }
}

/** Fails unless the server closes the connections without a further response. */
async function expectClosed(connections: readonly RawConnection[]): Promise<void> {
  for (const connection of connections)
    await expect(connection.reply()).rejects.toThrow('The connection ended after ""')
}

const text = (...lines: string[]) => lines.map((line) => `${line}\r\n`).join('')

const first = text(...get('/secret/first'), '')
const post = (header: string) => text('POST /body HTTP/1.1', 'host: x', 'content-type: application/json', header, '')
const unread = text(...get('/secret', 'content-length: 9999'), '')

test.each<[string, Partial<Limits>, number[], Record<string, Attack>]>([
  [
    'to send its first request',
    { headTimeout: 300, connections: 1 }, // for `statusOnNewConnection`: incomplete requests must not take the slot
    [408],
    {
      'nothing at all': { start: '' },
      'empty lines': { start: '', more: '\r\n' },
      'an endless path': { start: 'GET /', more: 'x' },
      'an endless header': { start: text(...get('/secret', 'x: ')), more: 'x' },
      'endless headers': { start: text(...get('/secret')), more: 'x:\r\n' },
      'half a head': { start: text(...get('/secret')) },
    },
  ],
  [
    'to send its second request',
    { headTimeout: 300 },
    [200, 408],
    {
      'an endless header': { start: first + text(...get('/secret', 'x: ')), more: 'x' },
      'half a head': { start: first + text(...get('/secret')) },
    },
  ],
  [
    'to send a body that the route reads',
    { headTimeout: 400, requestTimeout: 400 },
    [408],
    {
      'endless bytes': { start: post('content-length: 9999'), more: 'x' },
      'endless chunks': { start: post('transfer-encoding: chunked'), more: '1\r\nx\r\n' },
      'half a body': { start: `${post('content-length: 9999')}x` },
    },
  ],
  [
    'to send a body that no route reads',
    { headTimeout: 400, requestTimeout: 400 },
    [200, 408],
    { 'endless bytes': { start: unread, more: 'x' }, 'half a body': { start: `${unread}x` } },
  ],
])('a client that is slow %s gets a 408 and is disconnected, while other clients are served', async (...row) => {
  const [_, limits, statuses, attacks] = row
  const service = await startLimitedService({ ...limits, checkInterval: 50 })

  const attackers = await Promise.all(Object.values(attacks).map((each) => attack(10, service, each)))

  expect(await statusOnNewConnection(service)).toBe(200)
  for (const [index, sent] of Object.keys(attacks).entries()) {
    for (const attacker of attackers[index] ?? []) await expectReplies(attacker, statuses, sent)
  }
  await expectClosed(attackers.flat())
  expect(service.messages('error')).toEqual([])
  await expectRecovery(service)
})

test('a client that is idle after its response is disconnected, while other clients are served', async () => {
  const service = await startLimitedService({ keepAliveTimeout: 50 })

  const attackers = await attack(20, service, { start: text(...get('/secret'), '') })

  for (const attacker of attackers) expect(await attacker.reply()).toMatchObject({ status: 200 })
  expect(await statusOnNewConnection(service)).toBe(200)
  await expectClosed(attackers)
  await expectRecovery(service)
})

test('a client that does not read its responses is disconnected, while other clients are served', async () => {
  const service = await startLimitedService({ unreadTimeout: 700, checkInterval: 100 }, { secret: 'x'.repeat(400_000) })
  const [attacker] = await attack(1, service, { start: '' })
  attacker?.socket.pause()

  attacker?.socket.write(text(...get('/secret/much'), '').repeat(30)) // 12 MB, more than the socket buffers hold

  await expect.poll(() => service.executed.length).toBeGreaterThan(1)
  expect(await statusOnNewConnection(service)).toBe(200)
  expect(await service.connections()).toBeGreaterThan(0)
  await expectRecovery(service)
})

test('a client that does not complete the TLS handshake in time is disconnected', async () => {
  const { options } = await certificateFiles(await newCertificate())
  const service = await startLimitedService({ handshakeTimeout: 300 }, options)

  const silent = await attack(10, service, { start: '' })
  const dripping = await attack(10, service, { start: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', more: 'x' })

  await expect.poll(service.connections).toBe(20)
  await expectClosed(await attack(10, service, { start: text(...get('/secret'), '') }))
  await expectClosed([...silent, ...dripping])
  await expect.poll(service.connections).toBe(0)
})
