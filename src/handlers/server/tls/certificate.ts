/** The TLS certificate of the server and its private key: parses them, and checks that clients can connect with them. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'
import { messageOf } from '../../../bus/errors.ts'
import { UnusableFile } from '../../../errors.ts'
import type { OptionFile } from '../../../runtime/options/files.ts'
import { blocksIn, describeContent, isEncrypted, requiredBlocks } from './pem.ts'
import { cipherSuites, tryHandshake } from './tls.ts'

export interface CertificateOptions {
  /** PEM file with the certificate, followed by any intermediate certificates. Without it, the server uses HTTP. */
  readonly tlsCert?: string | undefined
  /** PEM file with the private key of the certificate. */
  readonly tlsKey?: string | undefined
  /** File with the passphrase of the private key, in one line. */
  readonly tlsKeyPassphraseFile?: string | undefined
}

/** All certificate options of a TLS server, because a reload replaces them all. `cert` is the chain in PEM. */
export type Certificate = SecureContextOptions & { readonly cert: string }

/** Returns the files of the certificate, or none if the option for the certificate or for the key is missing. */
export function certificateFiles({ tlsCert, tlsKey, tlsKeyPassphraseFile }: CertificateOptions): OptionFile[] {
  if (tlsCert === undefined || tlsKey === undefined) return []
  const pair = [
    { flag: '--tls-cert', path: tlsCert },
    { flag: '--tls-key', path: tlsKey },
  ]
  if (tlsKeyPassphraseFile === undefined) return pair
  return [...pair, { flag: '--tls-key-passphrase-file', path: tlsKeyPassphraseFile }]
}

/**
 * @param contents those of the files that `certificateFiles` returns, in the same order
 * @param options name the files in error messages
 * @param warn receives a message for each certificate of the chain that has expired or is not valid yet
 * @returns undefined without contents
 * @throws UnusableFile if clients could not connect
 */
export async function parseCertificate(
  [cert, pem, passphraseLine]: readonly Buffer[],
  { tlsCert, tlsKey, tlsKeyPassphraseFile }: CertificateOptions,
  warn: (message: string) => void,
): Promise<Certificate | undefined> {
  if (!cert || !pem) return undefined
  const [certFile, keyFile] = [`--tls-cert ${tlsCert}`, `--tls-key ${tlsKey}`]
  const passphrase = passphraseLine && passphraseIn(passphraseLine, `--tls-key-passphrase-file ${tlsKeyPassphraseFile}`)
  const chain = certificatesIn(cert, certFile)
  const key = privateKeyIn(pem, keyFile, passphrase)
  checkPair(chain, key, `${certFile} and ${keyFile}`)
  const certificate = {
    ...cipherSuites,
    cert: chain.map(String).join(''),
    key: key.export({ type: 'pkcs8', format: 'pem' }),
  }
  await tryHandshake(certificate).catch((cause) => {
    throw new UnusableFile(`Failed to use ${certFile} and ${keyFile} in a TLS handshake: ${messageOf(cause)}`)
  })
  warnOfValidity(chain, certFile, warn)
  return certificate
}

/** @returns the bytes, because a passphrase need not be UTF-8 */
function passphraseIn(bytes: Buffer, file: string): Buffer {
  const passphrase = Buffer.from(bytes.toString('latin1').replace(/\r?\n$/, ''), 'latin1')
  if (passphrase.length > 0 && !passphrase.includes('\n')) return passphrase
  throw new UnusableFile(`${file} must contain a passphrase, in one line`)
}

/**
 * @param file names the file in error messages
 * @throws UnusableFile if the file has no certificate, or one that is malformed
 */
export function certificatesIn(bytes: Buffer, file: string): X509Certificate[] {
  return requiredBlocks(bytes, file, 'a certificate', /CERTIFICATE$/).map(({ text }, index, blocks) => {
    try {
      return new X509Certificate(text)
    } catch (cause) {
      throw new UnusableFile(`Failed to parse ${describe(file, index, blocks)}: ${messageOf(cause)}`)
    }
  })
}

function privateKeyIn(bytes: Buffer, file: string, passphrase: Buffer | undefined): KeyObject {
  const block = blocksIn(bytes).find(({ label }) => label.endsWith('PRIVATE KEY'))
  if (!block || block.label.startsWith('OPENSSH'))
    throw new UnusableFile(`${file} must be a PEM file with a private key, received ${describeContent(bytes)}`)
  const encrypted = isEncrypted(block)
  if (encrypted && !passphrase) throw new UnusableFile(`${file} is encrypted and requires --tls-key-passphrase-file`)
  try {
    return createPrivateKey({ key: block.text, ...(encrypted && { passphrase }) })
  } catch (cause) {
    const verb = encrypted ? 'decrypt' : 'parse'
    const means = encrypted ? ' with the passphrase of --tls-key-passphrase-file' : ''
    throw new UnusableFile(`Failed to ${verb} ${file}${means}: ${messageOf(cause)}`)
  }
}

/** The first certificate must be that of the key: https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2 */
function checkPair(chain: readonly X509Certificate[], key: KeyObject, files: string): void {
  const index = chain.findIndex((certificate) => certificate.checkPrivateKey(key))
  if (index === 0) return
  const order = index > 0 ? `: the certificate of the key must be the first, but is number ${index + 1}` : ''
  throw new UnusableFile(`${files} do not match${order}`)
}

/** Warns of each certificate that has expired or is not valid yet. */
export function warnOfValidity(
  certificates: readonly X509Certificate[],
  file: string,
  warn: (message: string) => void,
): void {
  for (const [index, { validFromDate, validToDate }] of certificates.entries()) {
    const name = describe(file, index, certificates)
    if (validToDate.getTime() < Date.now()) warn(`${name} expired at ${validToDate.toISOString()}`)
    if (validFromDate.getTime() > Date.now()) warn(`${name} is not valid before ${validFromDate.toISOString()}`)
  }
}

/** Names a certificate of a chain, if it has more than one. */
function describe(file: string, index: number, { length }: readonly unknown[]): string {
  return length > 1 ? `${file} (certificate ${index + 1} of ${length})` : file
}
