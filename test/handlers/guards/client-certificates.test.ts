import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../src/channels.ts'
import { clientCertificates } from '../../../src/handlers/guards/client-certificates.ts'
import { certificateIdentities } from '../../../src/handlers/server/tls/client-certificate.ts'
import { certificateFiles, clientOf, newCertificate } from '../../support/http/certificate.ts'
import { ClientCa, type Issued, serverAuth } from '../../support/http/client-ca.ts'
import { parseProblem, type RawReply, startHttp } from '../../support/http/http.ts'

const server = await newCertificate()
const [ca, otherCa] = [await ClientCa.create('clients'), await ClientCa.create('others')]
const spiffe = [{ type: 'url' as const, value: 'spiffe://example/ops' }]
const valid = await ca.issue({ alternativeNames: spiffe })
const revoked = await ca.issue()
const intermediate = await ca.intermediate('intermediate')
const ofIntermediate = await intermediate.issue()

interface Setup {
  readonly auth?: 'required' | 'optional'
  readonly ca?: string
  readonly crl?: string
  readonly watchFiles?: number
}

/** A service with an open route, a route that replies with the client's identities, and one that waits for `release`. */
async function secured({ auth = 'required', ca: caPem = ca.cert, crl, watchFiles = 0 }: Setup = {}) {
  const { options } = await certificateFiles(server)
  const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const files = { tlsClientCa: join(folder, 'ca.pem'), tlsClientCrl: join(folder, 'crl.pem') }
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  onTestFinished(() => release())
  const { promise: waiting, resolve: arrived } = Promise.withResolvers<void>()
  await writeFile(files.tlsClientCa, caPem)
  if (crl !== undefined) await writeFile(files.tlsClientCrl, crl)
  const routes: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => {
      app.get('/open', { config: { open: true } }, () => 'open')
      app.get('/route', (request) => ({ identities: certificateIdentities(request) ?? null }))
      app.get('/slow', async () => {
        arrived()
        await released
        return 'slow'
      })
      app.get('/stream', () =>
        Readable.from(
          (async function* () {
            yield 'begin'
            await released
            yield 'end'
          })(),
        ),
      )
    })
  const service = await startHttp(
    { 'client-certificates': clientCertificates({ tlsClientAuth: auth }), routes },
    {
      ...options,
      tlsClientCa: files.tlsClientCa,
      ...(crl !== undefined && { tlsClientCrl: files.tlsClientCrl }),
      watchFiles,
    },
  )
  return { ...service, files, release, waiting }
}

/** A client with a certificate, or without one. */
function client(origin: string, { cert, key }: Partial<Issued> = {}) {
  const ask = clientOf(origin, server, { cert, key })
  return async (path: string) => {
    const { status = 0, headers, ...others } = await ask(path)
    return { status, headers: headers as RawReply['headers'], ...others } // no header is a list
  }
}

/** Opens a TLS connection with a certificate, and sends requests on it. */
async function open(port: number, { cert, key }: Partial<Issued> = {}, options: ConnectionOptions = {}) {
  const socket = connect({ host: '127.0.0.1', port, ca: server.cert, cert, key, ...options })
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {}) // a reset is treated like a normal end
  await once(socket, 'secureConnect')
  return socket
}

/** Sends requests at once and returns the statuses of all replies until the connection ends. */
async function statuses(socket: TLSSocket, ...paths: string[]): Promise<number[]> {
  for (const [index, path] of paths.entries()) {
    const last = index === paths.length - 1 ? 'connection: close\r\n' : ''
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n${last}\r\n`)
  }
  return Array.from((await text(socket)).matchAll(/HTTP\/1\.1 (\d+)/g), ([, status]) => Number(status))
}

const required = {
  type: 'urn:secret-bus:problem:client-certificate-required',
  detail: 'The request requires a client certificate.',
}
const invalid = { type: 'urn:secret-bus:problem:client-certificate-invalid' }

describe('a client with a valid certificate', () => {
  test.each(['required', 'optional'] as const)('is admitted if it is %s', async (auth) => {
    const { origin, messages } = await secured({ auth })

    const { status, body } = await client(origin, valid)('/route')

    expect(status).toBe(200)
    expect(JSON.parse(body)).toEqual({ identities: ['spiffe://example/ops', 'client'] })
    expect([...messages('warn'), ...messages('error')]).toEqual([])
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('is admitted with %s', async (version) => {
    const { port } = await secured()

    const socket = await open(port, valid, { minVersion: version, maxVersion: version })

    expect(socket.getProtocol()).toBe(version)
    expect(await statuses(socket, '/route')).toEqual([200])
  })

  test('is admitted with an intermediate CA that it sends, or that the service knows', async () => {
    const sent = { ...ofIntermediate, cert: ofIntermediate.cert + intermediate.cert }
    const { origin } = await secured()
    const { origin: knowing } = await secured({ ca: ca.cert + intermediate.cert })

    expect((await client(origin, sent)('/route')).status).toBe(200)
    expect((await client(knowing, ofIntermediate)('/route')).status).toBe(200)
    expect(parseProblem(await client(origin, ofIntermediate)('/route'))).toMatchObject({ status: 401, ...invalid })
  })

  test('is admitted without an extended key usage', async () => {
    const { origin } = await secured()

    expect((await client(origin, await ca.issue({ usage: undefined }))('/route')).status).toBe(200)
  })
})

describe('a client without a certificate', () => {
  test('is refused if one is required, also on an unknown path', async () => {
    const { origin, messages } = await secured()
    const ask = client(origin)

    const reply = await ask('/route')

    expect(parseProblem(reply)).toMatchObject({ status: 401, ...required })
    expect(reply.headers['www-authenticate']).toBe('Bearer realm="secret-bus"')
    expect(parseProblem(await ask('/nothing'))).toMatchObject({ status: 401, ...required })
    expect([...messages('warn'), ...messages('error')]).toEqual([])
  })

  test('is admitted without identities if it is optional', async () => {
    const { origin } = await secured({ auth: 'optional' })

    expect(await client(origin)('/route')).toMatchObject({ status: 200, body: '{"identities":null}' })
  })

  test('is served on open routes, on the same connection on which other routes are refused', async () => {
    const { port } = await secured()

    const socket = await open(port)

    expect(await statuses(socket, '/open', '/route', '/open')).toEqual([200, 401, 200])
  })
})

/** Certificates that are not valid, with the reason in the log. */
const refused: [string, () => Promise<Issued>, string][] = [
  ['has expired', () => ca.issue({ from: -3, to: -2 }), 'CERT_HAS_EXPIRED'],
  ['is not valid yet', () => ca.issue({ from: 1, to: 2 }), 'CERT_NOT_YET_VALID'],
  ['has been revoked', async () => revoked, 'CERT_REVOKED'],
  ['is for servers only', () => ca.issue({ usage: serverAuth }), 'INVALID_PURPOSE'],
  ['was issued by another CA', () => otherCa.issue(), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  [
    'was issued by another CA of the same name',
    async () => (await ClientCa.create('clients')).issue(),
    'CERT_SIGNATURE_FAILURE',
  ],
  ['is self-signed', async () => ({ ...(await newCertificate()), serialNumber: '' }), 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  [
    'was issued by an intermediate CA that has expired',
    async () => {
      const expired = await ca.intermediate('expired', { to: -0.5 })
      const issued = await expired.issue()
      return { ...issued, cert: issued.cert + expired.cert }
    },
    'CERT_HAS_EXPIRED',
  ],
  [
    'was issued by a client, which is not a CA',
    async () => {
      const leaf = await ca.intermediate('leaf', { isCa: false })
      const issued = await leaf.issue()
      return { ...issued, cert: issued.cert + leaf.cert }
    },
    'INVALID_PURPOSE',
  ],
]

describe.each(['required', 'optional'] as const)('if a certificate is %s, one that', (auth) => {
  test.each(refused)('%s is refused, except on open routes', async (_, issue, reason) => {
    const crl = reason === 'CERT_REVOKED' ? await ca.crl([revoked]) : undefined
    const { origin, records, messages } = await secured({ auth, ...(crl && { crl }) })
    const ask = client(origin, await issue())

    const reply = await ask('/route')

    expect(parseProblem(reply)).toMatchObject({ status: 401, ...invalid })
    expect((await ask('/open')).status).toBe(200)
    expect(reply.body).not.toContain(reason)
    expect(records.find(({ message }) => message === 'Refused client certificate')).toMatchObject({
      level: 'debug',
      fields: { reason },
    })
    expect([...messages('warn'), ...messages('error')]).toEqual([])
  })
})

describe('a CRL', () => {
  test('admits certificates that are not in it', async () => {
    const { origin } = await secured({ crl: await ca.crl([revoked]) })

    expect((await client(origin, valid)('/route')).status).toBe(200)
  })

  test.each<[string, () => Promise<string>, string]>([
    ['has expired', () => ca.crl([], { to: -1 }), 'CRL_HAS_EXPIRED'],
    ['is that of another CA', () => otherCa.crl(), 'UNABLE_TO_GET_CRL'],
    [
      'is signed by another CA of the same name',
      async () => (await ClientCa.create('clients')).crl(),
      'CRL_SIGNATURE_FAILURE',
    ],
  ])('that %s refuses the clients of the CA, with a warning', async (_, crl, reason) => {
    const { origin, records } = await secured({ crl: await crl() })
    const ask = client(origin, valid)

    expect(parseProblem(await ask('/route'))).toMatchObject({ status: 401, ...invalid })
    expect((await ask('/route')).status).toBe(401)

    const warnings = records.filter(({ level }) => level === 'warn')
    expect(warnings).toMatchObject([
      { message: 'Refusing client certificates because of --tls-client-crl', fields: { reason } },
    ])
  })

  test('is necessary for each CA of the chain', async () => {
    const sent = { ...ofIntermediate, cert: ofIntermediate.cert + intermediate.cert }
    const { origin } = await secured({ crl: await ca.crl() })
    const { origin: covered } = await secured({ crl: (await ca.crl()) + (await intermediate.crl()) })
    const { origin: revoking } = await secured({ crl: (await ca.crl()) + (await intermediate.crl([ofIntermediate])) })

    expect((await client(origin, sent)('/route')).status).toBe(401)
    expect((await client(covered, sent)('/route')).status).toBe(200)
    expect((await client(revoking, sent)('/route')).status).toBe(401)
  })
})

test('a certificate that expires while its connection is open is refused from then on', async () => {
  const { origin } = await secured()
  const ask = client(origin, await ca.issue({ to: 2 }))
  const first = await ask('/route')
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3 * 86_400_000 })
  onTestFinished(() => void vi.useRealTimers())

  const second = await ask('/route')

  expect(first.status).toBe(200)
  expect(second.socket).toBe(first.socket)
  expect(parseProblem(second)).toMatchObject({ status: 401, ...invalid })
})

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('with %s,', (version) => {
  const versions = { minVersion: version, maxVersion: version }

  test.each<[string, Partial<Issued>, number]>([
    ['with a certificate', valid, 200],
    ['without a certificate', {}, 401],
  ])('the session of a connection %s is not resumed', async (_, issued, status) => {
    const { port } = await secured()
    const socket = await open(port, issued, versions)
    let session: Buffer | undefined = socket.getSession()
    socket.on('session', (ticket: Buffer) => {
      session = ticket
    })
    expect(await statuses(socket, '/route')).toEqual([status])
    if (!session) throw new Error('The server sent no session')
    const second = await open(port, issued, { ...versions, session })
    const withoutCertificate = await open(port, {}, { ...versions, session })

    expect([second.isSessionReused(), withoutCertificate.isSessionReused()]).toEqual([false, false])
    expect(await statuses(second, '/route')).toEqual([status])
    expect(await statuses(withoutCertificate, '/route')).toEqual([401])
  })
})

test('a client cannot renegotiate its connection to present another certificate', async () => {
  const { port } = await secured()
  const socket = await open(port, valid, { maxVersion: 'TLSv1.2' })

  const { promise, resolve } = Promise.withResolvers<Error | null>()
  socket.renegotiate({}, resolve)
  socket.once('error', resolve)

  expect(await promise).toBeInstanceOf(Error)
})

/** A TCP proxy for one connection. It holds back what the server sends until `forward` is called. */
async function holdingProxy(port: number) {
  const { promise: answered, resolve: onAnswer } = Promise.withResolvers<void>()
  const { promise: forwarded, resolve: forward } = Promise.withResolvers<void>()
  const proxy = net.createServer((near) => {
    const far = net.connect({ host: '127.0.0.1', port })
    onTestFinished(() => void far.destroy())
    for (const socket of [near, far]) socket.on('error', () => {}) // a reset is treated like a normal end
    near.pipe(far)
    far.once('readable', async () => {
      onAnswer()
      await forwarded
      far.pipe(near)
      far.once('close', () => near.end()) // after a reset, `pipe` does not
    })
  })
  onTestFinished(() => void proxy.close())
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  const { port: proxyPort } = proxy.address() as net.AddressInfo // a string only for a pipe
  return { proxyPort, answered, forward }
}

/** Changes after which the valid client has no access any more. */
const changes: [string, Setup, (files: { tlsClientCa: string; tlsClientCrl: string }) => Promise<void>][] = [
  ['the CA', {}, async ({ tlsClientCa }) => writeFile(tlsClientCa, otherCa.cert)],
  ['the CRL', { crl: await ca.crl() }, async ({ tlsClientCrl }) => writeFile(tlsClientCrl, await ca.crl([valid]))],
]

describe.each(changes)('a reload of %s', (_, setup, change) => {
  test('closes idle connections, and refuses the certificate on a new one', async () => {
    const { bus, origin, files } = await secured(setup)
    const ask = client(origin, valid)
    const { socket } = await ask('/route')
    await change(files)

    expect(await bus.graceful()).toContainEqual({ clientCa: files.tlsClientCa })

    await expect.poll(() => socket.destroyed).toBe(true)
    expect(parseProblem(await ask('/route'))).toMatchObject({ status: 401, ...invalid })
  })

  test('answers requests in progress, and refuses those behind them', async () => {
    const { bus, port, files, release, waiting, records } = await secured(setup)
    const socket = await open(port, valid)
    const received = text(socket)
    socket.write('GET /slow HTTP/1.1\r\nhost: x\r\n\r\n')
    await waiting
    await change(files)
    await bus.graceful()

    socket.write('GET /route HTTP/1.1\r\nhost: x\r\n\r\n')
    const refusals = () => records.filter(({ message }) => message === 'Refused client certificate')
    await expect.poll(refusals).toMatchObject([{ fields: { reason: 'VERIFIED_BEFORE_RELOAD' } }])
    release()

    const replies = await received
    expect(replies).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\nconnection: close\r\n.*slow/is)
    expect(replies).not.toContain('identities')
  })

  test('closes a connection after a response that has begun', async () => {
    const { bus, port, files, release } = await secured(setup)
    const socket = await open(port, valid)
    let received = ''
    socket.on('data', (bytes) => {
      received += bytes
    })
    socket.write('GET /stream HTTP/1.1\r\nhost: x\r\n\r\n')
    await expect.poll(() => received).toContain('begin')
    await change(files)
    await bus.graceful()

    const ended = once(socket, 'end')
    release()

    await ended
    expect(received).toMatch(/end\r\n0\r\n\r\n$/)
  })

  test('serves no request on a connection whose handshake has begun before', async () => {
    const { bus, port, files } = await secured(setup)
    const { proxyPort, answered, forward } = await holdingProxy(port)
    const socket = connect({ host: '127.0.0.1', port: proxyPort, ca: server.cert, cert: valid.cert, key: valid.key })
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => {}) // a reset is treated like a normal end
    let received = ''
    socket.on('data', (bytes) => {
      received += bytes
    })
    socket.write('GET /route HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n') // is sent after the handshake
    await answered // the server has begun the handshake
    await change(files)
    await bus.graceful()

    forward()

    await expect.poll(() => socket.closed).toBe(true)
    expect(received).toBe('')
  })

  test('does not admit a session of an earlier connection', async () => {
    const { bus, port, files } = await secured(setup)
    const socket = await open(port, valid)
    const ticket = once(socket, 'session')
    expect(await statuses(socket, '/route')).toEqual([200])
    const [session] = await ticket
    await change(files)
    await bus.graceful()

    const resumed = await open(port, valid, { session })

    expect(resumed.isSessionReused()).toBe(false)
    expect(await statuses(resumed, '/route')).toEqual([401])
  })

  test('leaves connections without a certificate open', async () => {
    const { bus, origin, files } = await secured({ ...setup, auth: 'optional' })
    const ask = client(origin)
    const { socket } = await ask('/route')
    await change(files)
    await bus.graceful()

    const second = await ask('/route')

    expect(second.status).toBe(200)
    expect(second.socket).toBe(socket)
  })

  test('is also used for a change of the watched file', async () => {
    const { origin, files, messages } = await secured({ ...setup, watchFiles: 20 })
    const ask = client(origin, valid)
    expect((await ask('/route')).status).toBe(200)

    await change(files)

    await expect.poll(() => messages('info')).toContain('Reloaded the client CA')
    await expect.poll(async () => (await ask('/route')).status).toBe(401)
  })
})

const crl = await ca.crl([revoked])

describe('a reload', () => {
  test('of unchanged files keeps connections open', async () => {
    const { bus, origin } = await secured({ crl: await ca.crl() })
    const ask = client(origin, valid)
    const { socket } = await ask('/route')
    await bus.graceful()

    const second = await ask('/route')

    expect(second.status).toBe(200)
    expect(second.socket).toBe(socket)
  })

  test('of the CA admits the clients of a CA that was added', async () => {
    const { bus, origin, files } = await secured()
    const ask = client(origin, await otherCa.issue())
    expect((await ask('/route')).status).toBe(401)
    await writeFile(files.tlsClientCa, ca.cert + otherCa.cert)

    await bus.graceful()

    await expect.poll(async () => (await ask('/route')).status).toBe(200)
    expect((await client(origin, valid)('/route')).status).toBe(200)
  })

  test('of the server certificate keeps the CA and the CRL', async () => {
    const { origin, bus, files } = await secured({ crl })
    await rm(files.tlsClientCa) // so that only the certificate is reloaded
    await expect(bus.graceful()).rejects.toMatchObject({ failures: [{ listener: 'http-server' }] })

    expect((await client(origin, valid)('/route')).status).toBe(200)
    expect((await client(origin, revoked)('/route')).status).toBe(401)
  })

  test.each<[string, 'tlsClientCa' | 'tlsClientCrl', string]>([
    ['half a CA certificate', 'tlsClientCa', ca.cert.slice(0, 200)],
    ['half of two CA certificates', 'tlsClientCa', ca.cert + otherCa.cert.slice(0, 200)],
    ['an empty CA file', 'tlsClientCa', ''],
    ['half a CRL', 'tlsClientCrl', crl.slice(0, 100)],
    ['an empty CRL', 'tlsClientCrl', ''],
    ['a CA certificate as the CRL', 'tlsClientCrl', ca.cert],
  ])('of %s keeps the previous ones, with a warning', async (_, file, written) => {
    const { origin, files, messages } = await secured({ crl, watchFiles: 20 })
    const ask = client(origin, valid)
    const { socket } = await ask('/route')

    await writeFile(files[file], written)

    const flag = file === 'tlsClientCa' ? '--tls-client-ca' : '--tls-client-crl'
    const warning = expect.stringContaining(`Failed to reload the client CA: ${flag} ${files[file]} must be`)
    await expect.poll(() => messages('warn')).toContainEqual(warning)
    expect(await ask('/route')).toMatchObject({ status: 200, socket })
    expect((await client(origin, revoked)('/route')).status).toBe(401)
  })
})

test('a client that opens a new connection if one closes is never refused by a change of the CA that admits it', async () => {
  const { bus, origin, files } = await secured()
  const ask = client(origin, valid)
  const { socket } = await ask('/route')
  await writeFile(files.tlsClientCa, ca.cert + otherCa.cert)
  const reloading = bus.graceful()
  const results = []

  for (let last = socket; last === socket; ) {
    // The request may be under way while the server closes the idle connection.
    const reply = await ask('/route').catch(({ code }) => ({ status: code, socket }))
    results.push(reply.status)
    last = reply.socket
  }

  await reloading
  expect(results.filter((status) => status !== 200 && status !== 'ECONNRESET')).toEqual([])
})
