import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../src/channels.ts'
import { authentication } from '../../../src/handlers/guards/authentication.ts'
import { adminRoutes } from '../../../src/handlers/routes/admin.ts'
import type { Limits } from '../../../src/handlers/server/limits.ts'
import { Sensitive } from '../../../src/secret.ts'
import { tokens } from '../../../src/sources/tokens.ts'
import {
  certificateFiles,
  clientOf,
  newCertificate,
  shakeHands,
  shownAt,
  type TestCertificate,
} from '../../support/http/certificate.ts'
import { RawConnection, startHttp } from '../../support/http/http.ts'
import { startedService } from '../../support/service/started-service.ts'

const [first, second] = [await newCertificate(), await newCertificate()]

/** What a client says first in a handshake. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({ read: () => {}, write: resolve })
    connect({ socket: wire }).on('error', () => {})
  })
}

const route: Subscriber = (bus) => bus.subscribe(httpRoutes, (app) => void app.get('/route', async () => 'read'))

/** A route, and what others there are, over HTTPS with the first certificate. */
async function secured(subscribers: Record<string, Subscriber> = {}, limits: Partial<Limits> = {}) {
  const { options: files, write } = await certificateFiles(first)
  const service = await startHttp({ ...subscribers, route }, { ...files, limits, shutdownTimeout: 5_000 })
  return { ...service, files, write }
}

/** Fails if a line of a key, or what stands for one, is anywhere in what is told. */
function expectNoKey(told: unknown): void {
  const all = inspect(told, { depth: 20, showHidden: true, maxStringLength: null })
  const lines = `${first.key}\n${second.key}`.split('\n').filter((line) => line !== '' && !line.startsWith('-----'))
  for (const line of [...lines, 'classified']) expect(all).not.toContain(line)
}

describe('HTTPS', () => {
  test('serves a client that trusts the certificate', async () => {
    const { origin, messages } = await secured()

    const { status, body, socket } = await clientOf(origin, first)('/route')

    expect({ status, body }).toEqual({ status: 200, body: 'read' })
    expect(socket.authorized).toBe(true)
    expect(socket.getPeerCertificate().fingerprint256).toBe(first.fingerprint256)
    expect(origin).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
    expect(messages('info')).toContain(`Listening on ${origin}`)
  })

  test('is no good for a client that trusts another certificate, and no harm comes of it', async () => {
    const { origin, messages } = await secured()

    await expect(clientOf(origin, second)('/route')).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })

    expect((await clientOf(origin, first)('/route')).status).toBe(200)
    expect([...messages('warn'), ...messages('error')]).toEqual([])
  })

  test.each([
    ['HTTP without TLS', 'GET /route HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['text', 'nonsense\r\n\r\n'],
    ['bytes', Buffer.alloc(64, 0xff)],
    ['a TLS record that is none', Buffer.concat([Buffer.from([0x16, 3, 1, 0, 64]), Buffer.alloc(64, 0xff)])],
    ['zeros, many', Buffer.alloc(100_000)],
  ])('closes a connection on which comes %s, and serves on', async (_, sent) => {
    const { origin, port, messages } = await secured()
    const connection = await RawConnection.open(port)

    connection.socket.write(sent)

    await expect(connection.reply()).rejects.toThrow(/^the connection ended after "(?!HTTP)/)
    expect((await clientOf(origin, first)('/route')).status).toBe(200)
    expect([...messages('warn'), ...messages('error')]).toEqual([])
  })

  test('serves on when a client is gone in the middle of the handshake', async () => {
    const { origin, port, messages } = await secured()
    const connection = await RawConnection.open(port)
    connection.socket.write(await clientHello())
    await once(connection.socket, 'data')

    connection.socket.resetAndDestroy()

    expect((await clientOf(origin, first)('/route')).status).toBe(200)
    expect([...messages('warn'), ...messages('error')]).toEqual([])
  })
})

/** How far a client may get in a handshake, and no further. */
const halfway: [string, (connection: RawConnection) => Promise<void>][] = [
  ['not begun', async () => {}],
  ['in its first message', async ({ socket }) => void socket.write((await clientHello()).subarray(0, 50))],
  [
    'at the second message of the client',
    async ({ socket }) => {
      socket.write(await clientHello())
      await once(socket, 'data')
    },
  ],
]

describe('a handshake', () => {
  test.each(halfway)('that is %s is over when its time is', async (_, getThere) => {
    const { origin, port } = await secured({}, { handshakeTimeout: 200 })
    const connection = await RawConnection.open(port)
    await getThere(connection)

    await expect.poll(() => connection.ended, { timeout: 5_000 }).toBe(true)

    expect((await clientOf(origin, first)('/route')).status).toBe(200)
  })
})

describe('a reload', () => {
  test('shows a new certificate to new connections, while those from before are served on', async () => {
    const { bus, origin, port, files, write } = await secured()
    const askAsBefore = clientOf(origin, first)
    const { socket } = await askAsBefore('/route')
    await write(second)
    expect(await shownAt(port)).toBe(first.fingerprint256)

    expect(await bus.graceful()).toEqual([{ certificate: files.tlsCert }])

    expect(await shownAt(port)).toBe(second.fingerprint256)
    expect((await clientOf(origin, second)('/route')).status).toBe(200)
    const after = await askAsBefore('/route')
    expect(after).toMatchObject({ status: 200, body: 'read' })
    expect(after.socket).toBe(socket)
  })

  test.each<[string, Partial<TestCertificate>]>([
    ['the certificate without its key', { cert: second.cert }],
    ['the key without its certificate', { key: second.key }],
    ['a certificate that is none', { cert: 'classified' }],
    ['a key that is none', { key: 'classified' }],
    ['nothing', { cert: '', key: '' }],
    ['each in the place of the other', { cert: first.key, key: first.cert }],
  ])('of %s keeps the certificate, and says so without the text', async (_, written) => {
    const { bus, port, files, write, records, messages } = await secured()
    await write(written)

    await expect(bus.graceful()).rejects.toMatchObject({
      failures: [{ listener: 'http-server', error: { name: 'UnusableFile' } }],
    })

    expect(await shownAt(port)).toBe(first.fingerprint256)
    expect(messages('error')).toEqual([
      expect.stringContaining(`${files.tlsCert} and --tls-key ${files.tlsKey} do not`),
    ])
    expectNoKey(records)

    await write(second)
    await bus.graceful()
    expect(await shownAt(port)).toBe(second.fingerprint256)
  })

  test('over HTTPS that fails tells which file only in the log, and reloads the rest', async () => {
    const { origin, port, files, messages } = await secured({
      tokens: tokens({ authToken: new Sensitive('token') }),
      authentication: authentication(),
      admin: adminRoutes(),
    })
    await rm(files.tlsKey)

    const reply = await clientOf(origin, first)('/-/reload', {
      method: 'POST',
      headers: { authorization: 'Bearer token' },
    })

    expect(reply.status).toBe(500)
    expect(JSON.parse(reply.body)).toMatchObject({
      failed: [{ listener: 'http-server', detail: 'The service failed. Its log says why.' }],
      reloaded: [{ listener: 'tokens', said: { tokens: 1 } }],
    })
    expect(reply.body).not.toContain(files.tlsKey)
    expect(messages('error')).toContainEqual(
      expect.stringContaining(`--tls-key ${files.tlsKey} cannot be read: ENOENT`),
    )
    expect(await shownAt(port)).toBe(first.fingerprint256)
  })
})

describe('a start', () => {
  test.each<[string, Partial<TestCertificate>]>([
    ['a key of another certificate', { key: second.key }],
    ['a certificate that is none', { cert: 'classified' }],
    ['a key that is none', { key: `classified\n${first.key.slice(0, 120)}` }],
    ['no certificate', { cert: '' }],
  ])('with %s names both files, and nothing that they hold', async (_, written) => {
    const { options: files, write } = await certificateFiles(first)
    await write(written)

    const error = await startHttp({}, files).catch((error) => error)

    expect(error).toMatchObject({ name: 'UnusableFile', exitCode: 78 })
    expect(error.message).toMatch(`--tls-cert ${files.tlsCert} and --tls-key ${files.tlsKey} do not make a pair: `)
    expectNoKey(error)
  })

  test.each(['tlsCert', 'tlsKey'] as const)('without the file of %s names it', async (which) => {
    const { options: files } = await certificateFiles(first)
    await rm(files[which])

    const error = await startHttp({}, files).catch((error) => error)

    expect(error).toMatchObject({ name: 'UnusableFile', exitCode: 78 })
    expect(error.message).toContain(`${files[which]} cannot be read: ENOENT`)
  })
})

describe('a stop', () => {
  test('closes a connection that idles after a request', async () => {
    const { bus, origin } = await secured()
    const { socket } = await clientOf(origin, first)('/route')
    const ended = once(socket, 'close')

    expect(await bus.exit()).toBe(0)

    await ended
  })

  test.each([
    ['nothing', ''],
    ['half the head of a request', 'GET /route HTTP/1.1\r\nhost: x\r\n'],
    ['a request without its body', 'POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf'],
  ])('closes a connection on which, after the handshake, came %s', async (_, sent) => {
    const body: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, (app) => {
        app.addContentTypeParser('*', { parseAs: 'string' }, (_, text, done) => done(null, text))
        app.post('/body', async () => 'all of it came')
      })
    const { bus, origin, port } = await secured({ body })
    const socket = await shakeHands(port)
    socket.write(sent)
    await clientOf(origin, first)('/route') // accepted after the other
    const ended = once(socket.resume(), 'close')

    expect(await bus.exit()).toBe(0)

    await ended
  })

  test.each(halfway)('closes a connection whose handshake is %s', async (_, getThere) => {
    const { bus, origin, port } = await secured()
    const connection = await RawConnection.open(port)
    await getThere(connection)
    await clientOf(origin, first)('/route') // accepted after the other

    expect(await bus.exit()).toBe(0)

    await expect.poll(() => connection.ended).toBe(true)
  })

  test('answers the request under way, and closes its connection then', async () => {
    const asked = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    const slow: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, (app) => {
        app.get('/slow', async () => {
          asked.resolve()
          await go.promise
          return 'slow'
        })
      })
    const { bus, origin, port } = await secured({ slow })
    const accepts = () => shownAt(port).then(Boolean, () => false)
    const reply = clientOf(origin, first)('/slow')
    await asked.promise

    const exited = bus.exit()
    await expect.poll(accepts, { timeout: 5_000 }).toBe(false)
    go.resolve()

    expect(await reply).toMatchObject({ status: 200, body: 'slow', headers: { connection: 'close' } })
    expect(await exited).toBe(0)
  })
})

describe('a process', () => {
  const start = (...args: string[]) => startedService(['--embedded', ...args])

  test('without its certificate ends with 78 and one clear line, before it listens', async () => {
    const { options: files } = await certificateFiles(first)
    await rm(files.tlsCert)

    const service = start('--tls-cert', files.tlsCert, '--tls-key', files.tlsKey)

    expect(await service.exited).toBe(78)
    const lines = service.stdout.filter((line) => /"level":"(warn|error|fatal)"/.test(line)).concat(service.stderr)
    expect(lines).toEqual([expect.stringContaining(`--tls-cert ${files.tlsCert} cannot be read: ENOENT`)])
    expect(service.stdout.join()).not.toContain('"Listening')
    expect(lines.join()).not.toMatch(/"stack"|\\n +at /)
  })

  test('reads tokens and certificate again on SIGHUP', async () => {
    const { options: files, write } = await certificateFiles(first)
    const file = join(files.tlsCert, '..', 'tokens')
    await writeFile(file, 'old')
    const service = start(
      // Beyond this host, which nobody warns of where there are tokens.
      ...['--host', '0.0.0.0', '--auth-token-file', file],
      ...['--tls-cert', files.tlsCert, '--tls-key', files.tlsKey],
    )
    const { port } = new URL(await service.address())
    const origin = `https://127.0.0.1:${port}`
    const askAsBefore = clientOf(origin, first)
    const get = (client: typeof askAsBefore, token: string) =>
      client('/secret', { headers: { authorization: `Bearer ${token}` } })
    const { socket } = await get(askAsBefore, 'old')
    await Promise.all([write(second), writeFile(file, 'new')])

    service.child.kill('SIGHUP')

    await expect.poll(() => shownAt(Number(port)), { timeout: 10_000 }).toBe(second.fingerprint256)
    const after = clientOf(origin, second)
    expect([(await get(after, 'old')).status, (await get(after, 'new')).status]).toEqual([401, 200])
    const kept = await get(askAsBefore, 'new')
    expect(kept.status).toBe(200)
    expect(kept.socket).toBe(socket)
    service.child.kill('SIGTERM')
    expect(await service.exited).toBe(0)
    expect(service.stdout.filter((line) => /"level":"(warn|error|fatal)"/.test(line))).toEqual([])
  })
})
