/** Reads the TLS certificate of the server and its private key. */
import { createSecureContext } from 'node:tls'
import { messageOf } from '../../bus/errors.ts'
import { UnusableFile } from '../../errors.ts'
import { readOptionFile } from '../../runtime/options/files.ts'

export interface CertificateOptions {
  /** PEM file with the certificate, followed by any intermediate certificates. Without it, the server uses HTTP. */
  readonly tlsCert?: string | undefined
  /** PEM file with the private key of the certificate. */
  readonly tlsKey?: string | undefined
}

export interface Certificate {
  readonly cert: Buffer
  readonly key: Buffer
}

/**
 * Reads both files.
 * @returns undefined if either option is missing
 * @throws UnusableFile if a file cannot be read, or the key does not match the certificate
 */
export async function readCertificate({ tlsCert, tlsKey }: CertificateOptions): Promise<Certificate | undefined> {
  if (tlsCert === undefined || tlsKey === undefined) return undefined
  const [cert, key] = await Promise.all([readOptionFile('--tls-cert', tlsCert), readOptionFile('--tls-key', tlsKey)])
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    throw new UnusableFile(`--tls-cert ${tlsCert} and --tls-key ${tlsKey} do not match: ${messageOf(cause)}`)
  }
  return { cert, key }
}
