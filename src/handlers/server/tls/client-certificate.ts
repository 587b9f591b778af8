/** The certificates that clients have presented. A connection has at most one, which is examined once. */
import type { X509Certificate } from 'node:crypto'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'
import { connectionsOf } from '../node/connections.ts'
import { Pipeline } from '../node/pipeline.ts'

/** The certificate of a connection's client. */
export type ClientCertificate =
  | { readonly status: 'none' }
  | {
      readonly status: 'valid'
      readonly identities: readonly string[]
      /** When the certificate expires, in milliseconds since the epoch. Node.js does not give the intermediate ones. */
      readonly validTo: number
    }
  | {
      readonly status: 'invalid'
      /** For the log, such as `CERT_REVOKED`: https://nodejs.org/docs/latest-v24.x/api/tls.html#x509-certificate-error-codes */
      readonly reason: string
    }

const none: ClientCertificate = { status: 'none' }
const examined = new WeakMap<TLSSocket, ClientCertificate>()

/**
 * Returns the verified names of the client: the URIs and DNS names of the certificate's subject alternative name, and
 * its common name, in this order. The list may be empty.
 * @returns undefined without a valid certificate
 */
export function certificateIdentities({ raw }: Pick<FastifyRequest, 'raw'>): readonly string[] | undefined {
  const certificate = clientCertificate(raw.socket)
  return certificate.status === 'valid' ? certificate.identities : undefined
}

/** Returns what is known of the client's certificate at this moment. */
export function clientCertificate(socket: Socket): ClientCertificate {
  if (!(socket instanceof TLSSocket)) return none
  let certificate = examined.get(socket)
  if (!certificate) {
    certificate = examine(socket)
    examined.set(socket, certificate)
  }
  if (certificate.status === 'valid' && certificate.validTo < Date.now())
    return { status: 'invalid', reason: 'CERT_HAS_EXPIRED' }
  return certificate
}

/**
 * Closes the connections whose client has presented a certificate, because the CA or its CRL has changed. Requests in
 * progress are answered; a later request on such a connection has no valid certificate.
 */
export function closeVerifiedConnections(server: Server): void {
  for (const socket of connectionsOf(server)) {
    if (!(socket instanceof TLSSocket)) {
      socket.destroy() // the handshake has begun with the previous CA
    } else if (clientCertificate(socket).status !== 'none') {
      examined.set(socket, { status: 'invalid', reason: 'VERIFIED_BEFORE_RELOAD' })
      closeAfterReplies(socket)
    }
  }
}

function closeAfterReplies(socket: TLSSocket): void {
  const last = Pipeline.of(socket)?.responses.at(-1)
  if (!last) {
    socket.destroySoon()
    return
  }
  if (!last.headersSent) last.shouldKeepAlive = false // sends `Connection: close`
  last.once('close', () => socket.destroySoon())
}

function examine(socket: TLSSocket): ClientCertificate {
  const certificate = socket.getPeerX509Certificate()
  if (!certificate) return none
  // Of type Error by its declaration, but a code.
  if (!socket.authorized) return { status: 'invalid', reason: String(socket.authorizationError) }
  return { status: 'valid', identities: identitiesOf(certificate), validTo: certificate.validToDate.getTime() }
}

/**
 * A common name counts only if it is the only one, and not if it looks like a URI: a CA may verify the two differently.
 * Names with control characters, such as NUL, never count.
 */
export function identitiesOf(certificate: X509Certificate): string[] {
  const { subject, subjectaltname = '' } = certificate.toLegacyObject()
  const alternatives = alternativeNames(subjectaltname)
  const commonName: unknown = subject.CN // a list if there are several
  const names = [
    ...alternatives.filter(({ type }) => type === 'URI').map(({ name }) => name),
    ...alternatives.filter(({ type }) => type === 'DNS').map(({ name }) => name),
    ...(typeof commonName === 'string' && !/^[a-z][\w+.-]*:/i.test(commonName) ? [commonName] : []),
  ]
  return [...new Set(names)].filter((name) => name !== '' && !/\p{Cc}/u.test(name))
}

/** A name ends at a comma. One that contains special characters is a JSON string. */
const alternativeName = /([^:,"]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/gy

/**
 * Parses the text of Node.js with the subject alternative names. Splitting it at commas would let a name contain
 * others: https://nodejs.org/en/blog/vulnerability/jan-2022-security-releases
 */
function alternativeNames(text: string): { type: string; name: string }[] {
  return Array.from(text.matchAll(alternativeName), ([, type = '', name = '']) => ({
    type,
    name: name.startsWith('"') ? String(JSON.parse(name)) : name,
  }))
}
