/** Self-signed certificates for HTTPS servers, and clients that trust or inspect them. */
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { Agent, type AgentOptions, type RequestOptions, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect, type TLSSocket } from 'node:tls'
import { generate } from 'selfsigned'
import { onTestFinished } from 'vitest'

export interface TestCertificate {
  /** PEM. */
  readonly cert: string
  /** PEM. */
  readonly key: string
  /** In the format of `getPeerCertificate()`. */
  readonly fingerprint256: string
}

export interface CertificateFiles {
  /** The server options with the paths of the files. */
  readonly options: { readonly tlsCert: string; readonly tlsKey: string }
  /** Overwrites the certificate file, the key file, or both. */
  write(certificate: Partial<TestCertificate>): Promise<void>
}

/** Generates a certificate for 127.0.0.1 and `names`, and its key. By default an EC key, valid for a year from now. */
export async function newCertificate({
  names = [],
  ...options
}: Parameters<typeof generate>[1] & { names?: string[] } = {}): Promise<TestCertificate> {
  const dnsNames = names.map((value) => ({ type: 2 as const, value }))
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'secret-bus' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ...options,
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }, ...dnsNames] }],
  })
  return { cert, key, fingerprint256: new X509Certificate(cert).fingerprint256 }
}

/** Writes the certificate and its key to temporary files, which are removed when the test ends. */
export async function certificateFiles(certificate: TestCertificate): Promise<CertificateFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const options = { tlsCert: join(folder, 'cert.pem'), tlsKey: join(folder, 'key.pem') }
  const write: CertificateFiles['write'] = async ({ cert, key }) => {
    if (cert !== undefined) await writeFile(options.tlsCert, cert)
    if (key !== undefined) await writeFile(options.tlsKey, key)
  }
  await write(certificate)
  return { options, write }
}

/**
 * A client that trusts only this certificate and sends all requests on one kept-alive connection.
 * @param own the client's certificate
 */
export function clientOf(origin: string, { cert }: Pick<TestCertificate, 'cert'>, own: AgentOptions = {}) {
  const agent = new Agent({ ...own, ca: cert, keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  return async (path: string, init: RequestOptions = {}) => {
    const sent = request(origin + path, { agent, ...init }).end()
    const response: IncomingMessage & { socket: TLSSocket } = (await once(sent, 'response'))[0]
    const { statusCode: status, headers, socket } = response
    return { status, headers, body: await text(response), socket }
  }
}

/** Opens a connection and completes the TLS handshake without verifying the certificate. */
export async function shakeHands(port: number): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {}) // a reset is treated like a normal end
  await once(socket, 'secureConnect')
  return socket
}

/** Returns the fingerprint of the certificate that the server presents to a new connection. */
export async function shownAt(port: number): Promise<string> {
  const socket = await shakeHands(port)
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}
