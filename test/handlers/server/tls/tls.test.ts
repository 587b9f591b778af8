import { once } from 'node:events'
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Duplex } from 'node:stream'
import { type ConnectionOptions, connect } from 'node:tls'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Subscriber } from '../../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../../src/channels.ts'
import { authentication } from '../../../../src/handlers/guards/authentication.ts'
import { adminRoutes } from '../../../../src/handlers/routes/admin.ts'
import type { Limits } from '../../../../src/handlers/server/limits.ts'
import { Sensitive } from '../../../../src/secret.ts'
import { clients } from '../../../../src/sources/clients/clients.ts'
import {
  certificateFiles,
  clientOf,
  newCertificate,
  shakeHands,
  shownAt,
  type TestCertificate,
} from '../../../support/http/certificate.ts'
import { RawConnection, startHttp } from '../../../support/http/http.ts'
import { startTestService } from '../../../support/service/test-service.ts'

const [first, second] = [await newCertificate(), await newCertificate()]
const rsa = await newCertificate({ keyType: 'rsa' })

/** The first message of a client in a TLS handshake. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({ read: () => {}, write: resolve })
    connect({ socket: wire }).on('error', () => {})
  })
}

const route: Subscriber = (bus) => bus.subscribe(httpRoutes, (app) => void app.get('/route', async () => 'response'))

/** Starts a route and other subscribers on an HTTPS server, with the first certificate by default. */
async function secured(
  subscribers: Record<string, Subscriber> = {},
  limits: Partial<Limits> = {},
  certificate = first,
  watchFiles = 0,
) {
  const { options: files, write } = await certificateFiles(certificate)
  const service = await startHttp({ ...subscribers, route }, { ...files, limits, watchFiles, shutdownTimeout: 5_000 })
  return { ...service, files, write }
}

/** Fails if the output contains a line of a key or of its placeholder. */
function expectNoKey(output: unknown): void {
  const all = inspect(output, { depth: 20, showHidden: true, maxStringLength: null })
  const lines = `${first.key}\n${second.key}`.split('\n').filter((line) => line !== '' && !line.startsWith('-----'))
  for (const line of [...lines, 'classified']) expect(all).not.toContain(line)
}

describe('HTTPS', () => {
  test('serves a client that trusts the certificate', async () => {
    const { origin, messages } = await secured()

    const { status, body, socket } = await clientOf(origin, first)('/route')

    expect({ status, body }).toEqual({ status: 200, body: 'response' })
    expect(socket.authorized).toBe(true)
    expect(socket.getPeerCertificate().fingerprint256).toBe(first.fingerprint256)
    expect(origin).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
    expect(messages('info')).toContain(`Listening on ${origin}`)
  })

  test('is rejected by a client that trusts another certificate, without an effect on the server', async () => {
    const { origin, messages } = await secured()

    await expect(clientOf(origin, second)('/route')).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })

    expect((await clientOf(origin, first)('/route')).status).toBe(200)
    expect([...messages('warn'), ...messages('error')]).toEqual([])
  })

  test.each([
    ['HTTP without TLS', 'GET /route HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['text', 'nonsense\r\n\r\n'],
    ['bytes', Buffer.alloc(64, 0xff)],
    ['an invalid TLS record', Buffer.concat([Buffer.from([0x16, 3, 1, 0, 64]), Buffer.alloc(64, 0xff)])],
    ['many zeros', Buffer.alloc(100_000)],
  ])('closes a connection that sends %s, and keeps serving', async (_, sent) => {
    const { origin, port, messages } = await secured()
    const connection = await RawConnection.open(port)

    connection.socket.write(sent)

    await expect(connection.reply()).rejects.toThrow(/^The connection ended after "(?!HTTP)/)
    expect((await clientOf(origin, first)('/route')).status).toBe(200)
    expect([...messages('warn'), ...messages('error')]).toEqual([])
  })

  test('keeps serving when a client disconnects during the handshake', async () => {
    const { origin, port, messages } = await secured()
    const connection = await RawConnection.open(port)
    connection.socket.write(await clientHello())
    await once(connection.socket, 'data')

    connection.socket.resetAndDestroy()

    expect((await clientOf(origin, first)('/route')).status).toBe(200)
    expect([...messages('warn'), ...messages('error')]).toEqual([])
  })
})

/** Handshakes that stop at some point. */
const incompleteHandshakes: [string, (connection: RawConnection) => Promise<void>][] = [
  ['not started', async () => {}],
  ['incomplete in its first message', async ({ socket }) => void socket.write((await clientHello()).subarray(0, 50))],
  [
    'incomplete after its first message',
    async ({ socket }) => {
      socket.write(await clientHello())
      await once(socket, 'data')
    },
  ],
]

/** The suites of TLS 1.2 without forward secrecy or without authenticated encryption: RFC 9325, section 4.2. */
const weakSuites = [
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-RSA-AES256-SHA384',
  'ECDHE-RSA-AES128-SHA',
  'AES128-GCM-SHA256',
  'AES256-SHA256',
  'AES128-SHA',
  'DHE-RSA-AES128-GCM-SHA256',
]

/** Resolves to the version and suite that the server selects, or to the code of the error. */
async function agreed(port: number, options: ConnectionOptions): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options })
  try {
    await once(socket, 'secureConnect')
    return `${socket.getProtocol()} ${socket.getCipher().name}`
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code) // an error of the handshake
  } finally {
    socket.destroy()
  }
}

describe.each([
  ['EC', first],
  ['RSA', rsa],
])('a server with an %s certificate', (type, certificate) => {
  const suite = type === 'EC' ? 'ECDSA' : 'RSA'
  const old = { maxVersion: 'TLSv1.2', minVersion: 'TLSv1' } as const

  test.each(['after the start', 'after a reload'])('rejects weak cipher suites %s', async (when) => {
    const { bus, port } = await secured({}, {}, certificate)
    if (when === 'after a reload') await bus.graceful()

    const weak = await Promise.all(
      weakSuites.map((ciphers) => agreed(port, { ...old, ciphers: `${ciphers}:@SECLEVEL=0` })),
    )

    for (const code of weak) expect(code).toMatch(/^ERR_SSL_.*ALERT_HANDSHAKE_FAILURE$/)
    expect(await agreed(port, { ...old, maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' })).toMatch(/^ERR_SSL/)
    // The order of the server, not of the client.
    const ciphers = `ECDHE-${suite}-AES128-GCM-SHA256:ECDHE-${suite}-AES256-GCM-SHA384`
    expect(await agreed(port, { ...old, ciphers })).toBe(`TLSv1.2 ECDHE-${suite}-AES256-GCM-SHA384`)
    expect(await agreed(port, {})).toBe('TLSv1.3 TLS_AES_256_GCM_SHA384')
  })
})

describe('a handshake', () => {
  test.each(incompleteHandshakes)('that is %s times out', async (_, begin) => {
    const { origin, port } = await secured({}, { handshakeTimeout: 200 })
    const connection = await RawConnection.open(port)
    await begin(connection)

    await expect.poll(() => connection.ended, { timeout: 5_000 }).toBe(true)

    expect((await clientOf(origin, first)('/route')).status).toBe(200)
  })
})

describe('a reload', () => {
  test('uses the new certificate for new connections, while old connections stay open', async () => {
    const { bus, origin, port, files, write } = await secured()
    const askOnOldConnection = clientOf(origin, first)
    const { socket } = await askOnOldConnection('/route')
    await write(second)
    expect(await shownAt(port)).toBe(first.fingerprint256)

    expect(await bus.graceful()).toEqual([{ certificate: files.tlsCert }])

    expect(await shownAt(port)).toBe(second.fingerprint256)
    expect((await clientOf(origin, second)('/route')).status).toBe(200)
    const after = await askOnOldConnection('/route')
    expect(after).toMatchObject({ status: 200, body: 'response' })
    expect(after.socket).toBe(socket)
  })

  test.each<[string, Partial<TestCertificate>]>([
    ['the certificate without its key', { cert: second.cert }],
    ['the key without its certificate', { key: second.key }],
    ['a key of another type than the certificate', { key: rsa.key }],
    ['a certificate of another type than the key', { cert: rsa.cert }],
    ['an invalid certificate', { cert: 'classified' }],
    ['an invalid key', { key: 'classified' }],
    ['empty files', { cert: '', key: '' }],
    ['swapped files', { cert: first.key, key: first.cert }],
  ])('of %s keeps the old certificate and logs an error without file contents', async (_, written) => {
    const { bus, port, files, write, records, messages } = await secured()
    await write(written)

    await expect(bus.graceful()).rejects.toMatchObject({
      failures: [{ listener: 'http-server', error: { name: 'UnusableFile' } }],
    })

    expect(await shownAt(port)).toBe(first.fingerprint256)
    expect(messages('error')).toEqual([
      expect.stringMatching(
        new RegExp(`lifecycle.graceful: --tls-.*(${files.tlsCert}|${files.tlsKey}).* (do not|must)`),
      ),
    ])
    expectNoKey(records)

    await write(second)
    await bus.graceful()
    expect(await shownAt(port)).toBe(second.fingerprint256)
  })

  test('warns of an expired certificate, as at startup, and uses it', async () => {
    const validity = { notBeforeDate: new Date('2020-01-01'), notAfterDate: new Date('2020-02-01') }
    const expired = await newCertificate(validity)
    const { bus, port, files, messages } = await secured({}, {}, expired)

    await bus.graceful()

    const warning = `--tls-cert ${files.tlsCert} expired at 2020-02-01T00:00:00.000Z`
    expect(messages('warn')).toEqual([warning, warning])
    expect(await shownAt(port)).toBe(expired.fingerprint256)
  })

  test('that fails names the file in the log only, and reloads the other subscribers', async () => {
    const { origin, port, files, messages } = await secured({
      clients: clients({ authToken: new Sensitive('token') }),
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
      failed: [{ listener: 'http-server', detail: 'The service failed to handle the request.' }],
      reloaded: [{ listener: 'clients', result: { clients: 1, tokens: 1 } }],
    })
    expect(reply.body).not.toContain(files.tlsKey)
    expect(messages('error')).toContainEqual(
      expect.stringContaining(`Failed to read --tls-key ${files.tlsKey}: ENOENT`),
    )
    expect(await shownAt(port)).toBe(first.fingerprint256)
  })
})

describe('a watched certificate', () => {
  /** Completes handshakes one after another until the server presents the certificate, and returns all presented. */
  async function shownUntil({ fingerprint256 }: TestCertificate, port: number): Promise<string[]> {
    const shown: string[] = []
    while (shown.at(-1) !== fingerprint256) shown.push(await shownAt(port))
    return shown
  }

  const watched = () => secured({}, {}, first, 20)
  const isWarned = (messages: (level: 'warn') => string[], text: string) =>
    expect.poll(() => messages('warn')).toContainEqual(expect.stringContaining(text))

  test.each<[string, Partial<TestCertificate>, Partial<TestCertificate>]>([
    ['before its key', { cert: second.cert }, { key: second.key }],
    ['after its key', { key: second.key }, { cert: second.cert }],
  ])('may be written %s, while handshakes succeed', async (_, early, late) => {
    const { origin, port, messages, write, records } = await watched()
    const askOnOldConnection = clientOf(origin, first)
    const { socket } = await askOnOldConnection('/route')
    const shown = shownUntil(second, port)

    await write(early)
    await isWarned(messages, 'do not match')
    expect(await shownAt(port)).toBe(first.fingerprint256)
    await write(late)

    expect(new Set(await shown)).toEqual(new Set([first.fingerprint256, second.fingerprint256]))
    expect((await clientOf(origin, second)('/route')).status).toBe(200)
    expect((await askOnOldConnection('/route')).socket).toBe(socket)
    expect(messages('info').filter((message) => message.includes('certificate'))).toEqual(['Reloaded the certificate'])
    expect(messages('warn')).toHaveLength(1)
    expectNoKey(records)
  })

  test.each<[string, Partial<TestCertificate>, string]>([
    ['certificate', { cert: second.cert.slice(0, 300), key: second.key }, '--tls-cert'],
    ['key', { cert: second.cert, key: second.key.slice(0, 100) }, '--tls-key'],
    ['chain', { cert: second.cert + rsa.cert.slice(0, 300), key: second.key }, '--tls-cert'],
  ])('may be written in two parts that divide the %s', async (_, half, flag) => {
    const { port, messages, write, records } = await watched()
    await write(half)
    await isWarned(messages, flag)
    expect(await shownAt(port)).toBe(first.fingerprint256)

    await write(second)

    expect(new Set(await shownUntil(second, port)).size).toBeLessThanOrEqual(2)
    expectNoKey(records)
  })

  test('may be deleted and return', async () => {
    const { port, messages, files, write } = await watched()
    await rm(files.tlsKey)
    await isWarned(messages, `Failed to read --tls-key ${files.tlsKey}: ENOENT`)
    expect(await shownAt(port)).toBe(first.fingerprint256)

    await write(second)

    await expect.poll(() => shownAt(port)).toBe(second.fingerprint256)
  })
})

describe('a start', () => {
  test.each<[string, Partial<TestCertificate>]>([
    ['the key of another certificate', { key: second.key }],
    ['an invalid certificate', { cert: 'classified' }],
    ['an invalid key', { key: `classified\n${first.key.slice(0, 120)}` }],
    ['an empty certificate file', { cert: '' }],
  ])('with %s fails with the name of the file, but not its content', async (_, written) => {
    const { options: files, write } = await certificateFiles(first)
    await write(written)

    const error = await startHttp({}, files).catch((error) => error)

    expect(error).toMatchObject({ name: 'UnusableFile', exitCode: 78 })
    expect(error.message).toContain(written.cert === undefined ? files.tlsKey : files.tlsCert)
    expectNoKey(error)
  })

  test.each([
    ['tlsCert', '--tls-cert'],
    ['tlsKey', '--tls-key'],
  ] as const)('without the file of %s fails with its name', async (option, flag) => {
    const { options: files } = await certificateFiles(first)
    await rm(files[option])

    const error = await startHttp({}, files).catch((error) => error)

    expect(error).toMatchObject({ name: 'UnusableFile', exitCode: 78 })
    expect(error.message).toContain(`Failed to read ${flag} ${files[option]}: ENOENT`)
  })
})

describe('a stop', () => {
  test('closes a connection that is idle after a request', async () => {
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
  ])('closes a connection that has sent %s after the handshake', async (_, sent) => {
    const body: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, (app) => {
        app.addContentTypeParser('*', { parseAs: 'string' }, (_, text, done) => done(null, text))
        app.post('/body', async () => 'complete')
      })
    const { bus, origin, port } = await secured({ body })
    const socket = await shakeHands(port)
    socket.write(sent)
    await clientOf(origin, first)('/route') // accepted after the first connection
    const ended = once(socket.resume(), 'close')

    expect(await bus.exit()).toBe(0)

    await ended
  })

  test.each(incompleteHandshakes)('closes a connection whose handshake is %s', async (_, begin) => {
    const { bus, origin, port } = await secured()
    const connection = await RawConnection.open(port)
    await begin(connection)
    await clientOf(origin, first)('/route') // accepted after the first connection

    expect(await bus.exit()).toBe(0)

    await expect.poll(() => connection.ended).toBe(true)
  })

  test('completes a pending request, then closes its connection', async () => {
    const received = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    const slow: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, (app) => {
        app.get('/slow', async () => {
          received.resolve()
          await released.promise
          return 'slow'
        })
      })
    const { bus, origin, port } = await secured({ slow })
    const accepts = () => shownAt(port).then(Boolean, () => false)
    const reply = clientOf(origin, first)('/slow')
    await received.promise

    const exited = bus.exit()
    await expect.poll(accepts, { timeout: 5_000 }).toBe(false)
    released.resolve()

    expect(await reply).toMatchObject({ status: 200, body: 'slow', headers: { connection: 'close' } })
    expect(await exited).toBe(0)
  })
})

describe('a process', () => {
  const start = (...args: string[]) => startTestService(['--embedded', ...args])

  test('without its certificate file exits with 78 and a single error line, before it listens', async () => {
    const { options: files } = await certificateFiles(first)
    await rm(files.tlsCert)

    const service = start('--tls-cert', files.tlsCert, '--tls-key', files.tlsKey)

    expect(await service.exited).toBe(78)
    const lines = service.stdout.filter((line) => /"level":"(warn|error|fatal)"/.test(line)).concat(service.stderr)
    expect(lines).toEqual([expect.stringContaining(`Failed to read --tls-cert ${files.tlsCert}: ENOENT`)])
    expect(service.stdout.join()).not.toContain('"Listening')
    expect(lines.join()).not.toMatch(/"stack"|\\n +at /)
  })

  test('reloads the tokens and the certificate on SIGHUP', async () => {
    const { options: files, write } = await certificateFiles(first)
    const file = join(files.tlsCert, '..', 'tokens')
    await writeFile(file, 'old')
    const service = start(
      // Listening on all interfaces must log no warning if there are tokens.
      ...['--host', '0.0.0.0', '--auth-token-file', file, '--watch-files', '0'],
      ...['--tls-cert', files.tlsCert, '--tls-key', files.tlsKey],
    )
    const { port } = new URL(await service.address())
    const origin = `https://127.0.0.1:${port}`
    const askOnOldConnection = clientOf(origin, first)
    const get = (client: typeof askOnOldConnection, token: string) =>
      client('/secret', { headers: { authorization: `Bearer ${token}` } })
    const { socket } = await get(askOnOldConnection, 'old')
    await Promise.all([write(second), writeFile(file, 'new')])

    service.child.kill('SIGHUP')

    await expect.poll(() => shownAt(Number(port)), { timeout: 10_000 }).toBe(second.fingerprint256)
    const after = clientOf(origin, second)
    expect([(await get(after, 'old')).status, (await get(after, 'new')).status]).toEqual([401, 200])
    const kept = await get(askOnOldConnection, 'new')
    expect(kept.status).toBe(200)
    expect(kept.socket).toBe(socket)
    service.child.kill('SIGTERM')
    expect(await service.exited).toBe(0)
    expect(service.stdout.filter((line) => /"level":"(warn|error|fatal)"/.test(line))).toEqual([])
  })

  test('refreshes the tokens and the certificate without a signal when Kubernetes replaces them', async () => {
    const { options: files } = await certificateFiles(first)
    await writeFile(join(dirname(files.tlsCert), 'tokens'), 'old')
    const mount = await mkdtemp(join(tmpdir(), 'secret-bus-'))
    onTestFinished(() => rm(mount, { recursive: true }))
    const publish = async (folder: string) => {
      await symlink(folder, join(mount, '..data_tmp'))
      await rename(join(mount, '..data_tmp'), join(mount, '..data'))
    }
    await publish(dirname(files.tlsCert))
    for (const name of ['cert.pem', 'key.pem', 'tokens']) await symlink(`..data/${name}`, join(mount, name))
    const service = start(
      ...['--auth-token-file', join(mount, 'tokens'), '--watch-files', '50ms'],
      ...['--tls-cert', join(mount, 'cert.pem'), '--tls-key', join(mount, 'key.pem')],
    )
    const { origin, port } = new URL(await service.address())
    const status = (certificate: TestCertificate, token: string) =>
      clientOf(origin, certificate)('/secret', { headers: { authorization: `Bearer ${token}` } }).then(
        (reply) => reply.status,
      )
    expect([await status(first, 'old'), await status(first, 'new')]).toEqual([200, 401])

    const { options: newFiles } = await certificateFiles(second)
    await writeFile(join(dirname(newFiles.tlsCert), 'tokens'), 'new')
    await publish(dirname(newFiles.tlsCert))
    await Promise.all([service.line(/Reloaded the tokens/), service.line(/Reloaded the certificate/)])

    expect(await shownAt(Number(port))).toBe(second.fingerprint256)
    expect([await status(second, 'old'), await status(second, 'new')]).toEqual([401, 200])
    service.child.kill('SIGTERM')
    expect(await service.exited).toBe(0)
  })

  test.each([
    ['watches the files by default', [], true],
    ['does not watch the files with --watch-files 0', ['--watch-files', '0'], false],
  ])('%s', async (_, args, watches) => {
    const files = ['--auth-token-file', 'tokens', '--tls-cert', 'cert.pem', '--tls-key', 'key.pem']
    const service = startTestService(['channels', '--format', 'json', 'lifecycle.state', ...files, ...args])

    expect(await service.exited).toBe(0)
    const topology = service.stdout.join('')
    for (const name of ['clients', 'http-server']) expect(topology.includes(`"${name}"`), topology).toBe(watches)
  })
})
