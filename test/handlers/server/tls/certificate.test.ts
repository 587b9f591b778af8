import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createServer } from 'node:https'
import { describe, expect, onTestFinished, test } from 'vitest'
import * as tls from '../../../../src/handlers/server/tls/certificate.ts'
import { readOptionFile } from '../../../../src/runtime/options/files.ts'
import { certificateFiles, newCertificate, shownAt, type TestCertificate } from '../../../support/http/certificate.ts'
import { listen } from '../../../support/http/listen.ts'
import { temporaryFile } from '../../../support/temporary-file.ts'

const [own, rsa] = [await newCertificate(), await newCertificate({ keyType: 'rsa' })]
const passphrase = 'open sesame'
const encrypted = createPrivateKey(own.key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })
const encryptedPkcs1 = createPrivateKey(rsa.key).export({
  type: 'pkcs1',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase,
})
const der = createPrivateKey(own.key).export({ type: 'pkcs8', format: 'der' })
/** The beginning of a PKCS#12 file. */
const pkcs12 = Buffer.from('3082042002010330820', 'hex')

type Written = { readonly [File in 'cert' | 'key']?: string | Buffer }

/** Reads a certificate with these contents of the files, and those of a valid certificate otherwise. */
async function read(written: Written, passphrase?: string | Buffer) {
  const { options, write } = await certificateFiles(own)
  await write(written as Partial<TestCertificate>) // `writeFile` takes bytes as well
  const file = passphrase === undefined ? undefined : await temporaryFile(passphrase as string)
  const warnings: string[] = []
  const named = { ...options, tlsKeyPassphraseFile: file }
  const reading = Promise.all(tls.certificateFiles(named).map(readOptionFile)).then((contents) =>
    tls.parseCertificate(contents, named, (message) => warnings.push(message)),
  )
  const [result] = await Promise.allSettled([reading])
  const message = result.status === 'rejected' ? String(result.reason.message) : ''
  const withoutFolder = (text: string) => text.replaceAll(/\/\S+\/([\w-]+(\.pem)?)/g, '$1')
  return { result, message: withoutFolder(message), warnings: warnings.map(withoutFolder) }
}

describe('a certificate is rejected', () => {
  test.each<[string, Written, string]>([
    ['if its key is of another type', { key: rsa.key }, '--tls-cert cert.pem and --tls-key key.pem do not match'],
    [
      'if its type is not that of the key',
      { cert: rsa.cert },
      '--tls-cert cert.pem and --tls-key key.pem do not match',
    ],
    [
      'if it is not the first of the chain',
      { cert: rsa.cert + own.cert },
      'do not match: the certificate of the key must be the first, but is number 2',
    ],
    [
      'if its file is empty',
      { cert: '\n' },
      '--tls-cert cert.pem must be a PEM file with a certificate, received an empty file',
    ],
    [
      'if the key file is empty',
      { key: '' },
      '--tls-key key.pem must be a PEM file with a private key, received an empty file',
    ],
    [
      'if the files are swapped',
      { cert: own.key, key: own.cert },
      '--tls-cert cert.pem must be a PEM file with a certificate, received a PEM file with PRIVATE KEY',
    ],
    ['if both files have certificates', { key: own.cert }, 'received a PEM file with CERTIFICATE'],
    [
      'in DER',
      { cert: new X509Certificate(own.cert).raw },
      '--tls-cert cert.pem must be a PEM file with a certificate, received a DER file',
    ],
    ['with a key in DER', { key: der }, '--tls-key key.pem must be a PEM file with a private key, received a DER file'],
    ['in PKCS#12', { cert: pkcs12 }, 'received a PKCS#12 file'],
    ['in another format', { cert: 'text' }, 'received another format'],
    [
      'with a malformed chain',
      { cert: `${own.cert}-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n` },
      'Failed to parse --tls-cert cert.pem (certificate 2 of 2): ',
    ],
    [
      'with a half-written chain',
      { cert: own.cert + rsa.cert.slice(0, 500) },
      '--tls-cert cert.pem must be a complete PEM file, but a block has no end',
    ],
    [
      'with a malformed key',
      { key: '-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n' },
      'Failed to parse --tls-key key.pem: ',
    ],
    [
      'with an OpenSSH key',
      { key: '-----BEGIN OPENSSH PRIVATE KEY-----\nMA==\n-----END OPENSSH PRIVATE KEY-----\n' },
      'received a PEM file with OPENSSH PRIVATE KEY',
    ],
    [
      'with an encrypted key and no passphrase',
      { key: encrypted },
      '--tls-key key.pem is encrypted and requires --tls-key-passphrase-file',
    ],
    [
      'with a key in the older encrypted format and no passphrase',
      { key: encryptedPkcs1 },
      'is encrypted and requires --tls-key-passphrase-file',
    ],
  ])('%s', async (_, written, message) => {
    const { result, message: received } = await read(written)

    expect(result).toMatchObject({ status: 'rejected', reason: { name: 'UnusableFile' } })
    expect(received).toContain(message)
    expect(received.length).toBeLessThan(250)
  })

  test('if clients would not accept its key', async () => {
    const short = await newCertificate({ keyType: 'rsa', keySize: 1_024 })

    const { message } = await read(short)

    expect(message).toMatch(/^Failed to use --tls-cert cert.pem and --tls-key key.pem in a TLS handshake: .*too small/)
  })

  test.each([
    ['another passphrase', 'wrong', /^Failed to decrypt --tls-key key.pem with the passphrase of --tls-key-pass/],
    ['an empty file for the passphrase', '\n', /--tls-key-passphrase-file \S+ must contain a passphrase, in one line$/],
    ['two lines', `${passphrase}\nmore\n`, /must contain a passphrase, in one line$/],
  ])('with an encrypted key and %s', async (_, given, message) => {
    const { message: received } = await read({ key: encrypted }, given)

    expect(received).toMatch(message)
    expect(received).not.toMatch(/wrong|more|sesame/)
  })
})

describe('a certificate is accepted', () => {
  test.each<[string, Written, string?]>([
    ['with its key', {}],
    ['with its chain', { cert: own.cert + rsa.cert }],
    ['with its key in the same file', { cert: own.cert + own.key, key: own.cert + own.key }],
    ['with line ends and a byte order mark of Windows', { cert: `\ufeff${own.cert.replaceAll(/\r?\n/g, '\r\n')}` }],
    ['with an encrypted key and its passphrase', { key: encrypted }, passphrase],
    ['with a line end after the passphrase', { key: encrypted }, `${passphrase}\r\n`],
    ['with a key in the older encrypted format', { cert: rsa.cert, key: encryptedPkcs1 }, passphrase],
    ['with a passphrase that the key does not need', {}, passphrase],
  ])('%s', async (_, written, given) => {
    const { result, warnings } = await read(written, given)

    expect(result).toMatchObject({ status: 'fulfilled' })
    expect(warnings).toEqual([])
  })

  test('with an encrypted key, and a server can use it', async () => {
    const { result } = await read({ key: encrypted }, passphrase)
    const server = createServer(result.status === 'fulfilled' ? { ...result.value } : {})

    const { endpoint, close } = await listen(server)
    onTestFinished(close)

    expect(await shownAt(Number(new URL(endpoint).port))).toBe(own.fingerprint256)
  })

  const day = 86_400_000
  const at = (days: number) => new Date(Math.floor(Date.now() / 1_000) * 1_000 + days * day)

  test.each([
    ['expired', -2, -1, (_: Date, to: Date) => `--tls-cert cert.pem expired at ${to.toISOString()}`],
    ['not yet valid', 1, 2, (from: Date) => `--tls-cert cert.pem is not valid before ${from.toISOString()}`],
  ])('with a warning if it is %s', async (_, from, to, warning) => {
    const [notBeforeDate, notAfterDate] = [at(from), at(to)]

    const { result, warnings } = await read(await newCertificate({ notBeforeDate, notAfterDate }))

    expect(result).toMatchObject({ status: 'fulfilled' })
    expect(warnings).toEqual([warning(notBeforeDate, notAfterDate)])
  })

  test('with a warning if another certificate of its chain has expired', async () => {
    const notAfterDate = at(-1)
    const expired = await newCertificate({ notBeforeDate: at(-2), notAfterDate })

    const { warnings } = await read({ cert: own.cert + expired.cert })

    expect(warnings).toEqual([`--tls-cert cert.pem (certificate 2 of 2) expired at ${notAfterDate.toISOString()}`])
  })
})
