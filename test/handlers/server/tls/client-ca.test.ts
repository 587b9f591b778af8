import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { clientCaFiles, parseClientCa } from '../../../../src/handlers/server/tls/client-ca.ts'
import { ClientCa } from '../../../support/http/client-ca.ts'

const ca = await ClientCa.create('clients')
const intermediate = await ca.intermediate('intermediate')
const expired = await ca.intermediate('expired', { to: -1 })
const { cert: leaf, key } = await ca.issue()
const crl = await ca.crl()
const der = new X509Certificate(ca.cert).raw
const options = { tlsClientCa: 'ca.pem', tlsClientCrl: 'crl.pem' }

function parse(...contents: (string | Buffer)[]) {
  const warnings: string[] = []
  const result = parseClientCa(contents.map(Buffer.from), options, (message) => warnings.push(message))
  return { result, warnings }
}

describe('the files of the client CA', () => {
  test('are none without the option, also with a CRL', () => {
    expect(clientCaFiles({})).toEqual([])
    expect(clientCaFiles({ tlsClientCrl: 'crl.pem' })).toEqual([])
    expect(parse().result).toBeUndefined()
  })

  test('are named by their flags', () => {
    expect(clientCaFiles(options)).toEqual([
      { flag: '--tls-client-ca', path: 'ca.pem' },
      { flag: '--tls-client-crl', path: 'crl.pem' },
    ])
  })

  test('may contain several certificates and lists, and text between them', async () => {
    const { result, warnings } = parse(`\ufeffroot\n${ca.cert}intermediate\n${intermediate.cert}`, `${crl}text\n${crl}`)

    expect(result).toMatchObject({ requestCert: true, rejectUnauthorized: false })
    expect(result?.ca).toHaveLength(2)
    expect(result?.crl).toHaveLength(2)
    expect(warnings).toEqual([])
  })

  test('cause a warning for a certificate that has expired', () => {
    expect(parse(ca.cert + expired.cert).warnings).toEqual([
      expect.stringMatching(/^--tls-client-ca ca\.pem \(certificate 2 of 2\) expired at \d{4}-/),
    ])
  })

  test.each<[string, (string | Buffer)[], string | RegExp]>([
    ['an empty CA', [''], '--tls-client-ca ca.pem must be a PEM file with a certificate, received an empty file'],
    ['a CA in DER', [der], '--tls-client-ca ca.pem must be a PEM file with a certificate, received a DER file'],
    [
      'a key',
      [key],
      '--tls-client-ca ca.pem must be a PEM file with a certificate, received a PEM file with PRIVATE KEY',
    ],
    ['half a CA', [ca.cert + intermediate.cert.slice(0, 99)], '--tls-client-ca ca.pem must be a complete PEM file'],
    ['a malformed CA', [ca.cert.replace('\nMII', '\nAAA')], 'Failed to parse --tls-client-ca ca.pem: '],
    [
      'an intermediate CA only',
      [intermediate.cert],
      '--tls-client-ca ca.pem must contain the root certificate of the CA',
    ],
    ['a client certificate', [leaf], '--tls-client-ca ca.pem must contain the root certificate of the CA'],
    ['an empty CRL', [ca.cert, ''], '--tls-client-crl crl.pem must be a PEM file with a CRL, received an empty file'],
    ['a CA as the CRL', [ca.cert, ca.cert], 'must be a PEM file with a CRL, received a PEM file with CERTIFICATE'],
    ['half a CRL', [ca.cert, crl + crl.slice(0, 99)], '--tls-client-crl crl.pem must be a complete PEM file'],
    ['a malformed CRL', [ca.cert, crl.replace('\nMI', '\nAA')], 'Failed to parse --tls-client-crl crl.pem: '],
  ])('are refused with %s', (_, contents, message) => {
    expect(() => parse(...contents)).toThrow(expect.objectContaining({ name: 'UnusableFile' }))
    expect(() => parse(...contents)).toThrow(message)
  })
})
