/** The certificate that the server shows, and its key, as the files have them. */
import { createSecureContext } from 'node:tls'
import { messageOf } from '../../bus/errors.ts'
import { UnusableFile } from '../../errors.ts'
import { readOptionFile } from '../../runtime/options/files.ts'

export interface CertificateOptions {
  /** PEM file with the certificate and, after it, those between it and one that clients know. HTTP when not given. */
  readonly tlsCert?: string | undefined
  /** PEM file with the certificate's key. */
  readonly tlsKey?: string | undefined
}

export interface Certificate {
  readonly cert: Buffer
  readonly key: Buffer
}

/**
 * Reads both, or neither.
 * @throws UnusableFile if they cannot be read, or are not the two halves of one thing
 */
export async function readCertificate({ tlsCert, tlsKey }: CertificateOptions): Promise<Certificate | undefined> {
  if (tlsCert === undefined || tlsKey === undefined) return undefined
  const [cert, key] = await Promise.all([readOptionFile('--tls-cert', tlsCert), readOptionFile('--tls-key', tlsKey)])
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    throw new UnusableFile(`--tls-cert ${tlsCert} and --tls-key ${tlsKey} do not make a pair: ${messageOf(cause)}`)
  }
  return { cert, key }
}
