/** The CA that issues client certificates, and its list of revoked certificates: parses them. */
import { constants, type X509Certificate } from 'node:crypto'
import { createSecureContext, type TlsOptions } from 'node:tls'
import { messageOf } from '../../../bus/errors.ts'
import { UnusableFile } from '../../../errors.ts'
import type { OptionFile } from '../../../runtime/options/files.ts'
import { certificatesIn, warnOfValidity } from './certificate.ts'
import { requiredBlocks } from './pem.ts'

export interface ClientCaOptions {
  /** PEM file with the CA certificates of clients, roots and intermediates. Without it, clients need no certificate. */
  readonly tlsClientCa?: string | undefined
  /** PEM file with a certificate revocation list (CRL) of each CA. Without it, revoked certificates are accepted. */
  readonly tlsClientCrl?: string | undefined
}

/** The options of a TLS server that verifies client certificates. */
export type ClientCa = TlsOptions & { readonly ca: readonly string[]; readonly crl: readonly string[] }

/** Returns the files, in the order of `parseClientCa`. */
export function clientCaFiles({ tlsClientCa, tlsClientCrl }: ClientCaOptions): OptionFile[] {
  if (tlsClientCa === undefined) return []
  const ca = { flag: '--tls-client-ca', path: tlsClientCa }
  return tlsClientCrl === undefined ? [ca] : [ca, { flag: '--tls-client-crl', path: tlsClientCrl }]
}

/**
 * @param contents those of the files that `clientCaFiles` returns, in the same order
 * @param options name the files in error messages
 * @param warn receives a message for each CA certificate that has expired or is not valid yet
 * @returns undefined without contents
 * @throws UnusableFile if no client certificate could be verified
 */
export function parseClientCa(
  [caBytes, crlBytes]: readonly Buffer[],
  { tlsClientCa, tlsClientCrl }: ClientCaOptions,
  warn: (message: string) => void,
): ClientCa | undefined {
  if (!caBytes) return undefined
  const [caFile, crlFile] = [`--tls-client-ca ${tlsClientCa}`, `--tls-client-crl ${tlsClientCrl}`]
  const certificates = certificatesIn(caBytes, caFile)
  // OpenSSL verifies a chain up to a certificate that has issued itself.
  if (!certificates.some(isRoot)) throw new UnusableFile(`${caFile} must contain the root certificate of the CA`)
  warnOfValidity(certificates, caFile, warn)
  const ca = certificates.map(String)
  const crl = crlBytes ? listsIn(crlBytes, crlFile) : []
  try {
    createSecureContext({ ca, crl })
  } catch (cause) {
    throw new UnusableFile(`Failed to parse ${crlBytes ? crlFile : caFile}: ${messageOf(cause)}`)
  }
  return {
    ca,
    crl,
    requestCert: true,
    rejectUnauthorized: false, // open routes require no certificate
    // A resumed session would keep the result of an earlier verification. Without tickets, no session is resumed in
    // TLS 1.3 either, because the server does not store sessions: https://www.rfc-editor.org/rfc/rfc8446#section-4.6.1
    // A renegotiation of TLS 1.2 could replace a certificate that has been examined.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  }
}

function isRoot(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate)
}

/** Node.js reads only the first list of a text. */
function listsIn(bytes: Buffer, file: string): string[] {
  return requiredBlocks(bytes, file, 'a CRL', /^X509 CRL$/).map(({ text }) => text)
}
