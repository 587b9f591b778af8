/** Reads the certificate authorities of `AWS_CA_BUNDLE`, for example of a proxy that inspects TLS. */
import { X509Certificate } from 'node:crypto'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { UnusableFile } from '../../errors.ts'
import { readOptionFile } from '../../runtime/options/files.ts'

const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/**
 * Creates the context once, because parsing the default authorities for each connection would block for milliseconds.
 * @returns a context that trusts the authorities of the file in addition to the default ones
 * @throws UnusableFile with the file and the reason
 */
export async function readCaBundle(file: string): Promise<SecureContext> {
  const text = (await readOptionFile({ flag: 'AWS_CA_BUNDLE', path: file })).toString()
  const certificates = text.match(pemCertificate) ?? []
  if (certificates.length === 0 || !certificates.every(isCertificate))
    throw new UnusableFile(`AWS_CA_BUNDLE ${file} must contain PEM certificates`)
  return createSecureContext({ ca: [...getCACertificates('default'), ...certificates] })
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem)
    return true
  } catch {
    return false
  }
}
