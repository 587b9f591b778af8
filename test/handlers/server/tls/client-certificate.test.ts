import { X509Certificate } from 'node:crypto'
import { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import {
  certificateIdentities,
  clientCertificate,
  identitiesOf,
} from '../../../../src/handlers/server/tls/client-certificate.ts'
import { type CertificateParameters, ClientCa } from '../../../support/http/client-ca.ts'

const ca = await ClientCa.create('clients')

async function identities(parameters: CertificateParameters): Promise<string[]> {
  return identitiesOf(new X509Certificate((await ca.issue(parameters)).cert))
}

const url = (value: string) => ({ type: 'url' as const, value })
const dns = (value: string) => ({ type: 'dns' as const, value })

describe('the identities of a certificate', () => {
  test('are its URIs, its DNS names and its common name, in this order', async () => {
    const alternativeNames = [dns('b.example'), url('spiffe://b'), dns('a.example'), url('spiffe://a')]

    expect(await identities({ subject: [{ O: ['x'] }, { CN: ['ops'] }], alternativeNames })).toEqual([
      'spiffe://b',
      'spiffe://a',
      'b.example',
      'a.example',
      'ops',
    ])
  })

  test('are listed once', async () => {
    expect(await identities({ subject: [{ CN: ['a'] }], alternativeNames: [dns('a'), dns('a')] })).toEqual(['a'])
  })

  test('may be none', async () => {
    expect(await identities({ subject: [{ O: ['x'] }] })).toEqual([])
  })

  test.each([
    ['a comma', 'spiffe://a, URI:spiffe://ops'],
    ['a comma without a space', 'spiffe://a,URI:spiffe://ops'],
    ['a quote', 'spiffe://a", URI:spiffe://ops'],
    ['quotes around it', '"spiffe://ops"'],
    ['a backslash and a quote', 'spiffe://a\\", URI:spiffe://ops, DNS:"'],
    ['a character that is not ASCII', 'spiffe://\u00fc'],
  ])('contain a name with %s as one', async (_, name) => {
    expect(await identities({ alternativeNames: [url(name), dns('end')] })).toEqual([name, 'end', 'client'])
  })

  test.each(['\0', '\n', '\r', '\u007f', '\u0085'])('lack names with the control character %j', async (character) => {
    const name = `ops${character}x`

    expect(
      await identities({ subject: [{ CN: [name] }], alternativeNames: [url(name), dns(name), dns('end')] }),
    ).toEqual(['end'])
  })

  test('lack names of other types', async () => {
    const alternativeNames = [
      { type: 'ip' as const, value: '127.0.0.1' },
      { type: 'ip' as const, value: '::1' },
      { type: 'email' as const, value: 'ops@example' },
      { type: 'dn' as const, value: 'CN=ops' },
      { type: 'id' as const, value: '1.2.3' },
      dns('end'),
    ]

    expect(await identities({ alternativeNames })).toEqual(['end', 'client'])
  })

  test.each<[string, NonNullable<CertificateParameters['subject']>]>([
    ['in two parts of the subject', [{ CN: ['ops'] }, { CN: ['billing'] }]],
    ['in one part of the subject', [{ CN: ['ops', 'billing'] }]],
  ])('lack the common names if there are several %s', async (_, subject) => {
    expect(await identities({ subject })).toEqual([])
  })

  test.each(['spiffe://example/ops', 'URN:x', 'a+b.c-1:x'])('lack the common name %s, which is a URI', async (name) => {
    expect(await identities({ subject: [{ CN: [name] }] })).toEqual([])
  })

  test.each(['ops, team', 'ops/team', 'CN=ops', 'ops + CN=billing', '\u00fcber', '1:x'])(
    'contain the common name %j as it is',
    async (name) => {
      expect(await identities({ subject: [{ CN: [name] }] })).toEqual([name])
    },
  )
})

test('a connection without TLS has no certificate', () => {
  const socket = new Socket()

  expect(clientCertificate(socket)).toEqual({ status: 'none' })
  expect(certificateIdentities({ raw: { socket } } as Parameters<typeof certificateIdentities>[0])).toBeUndefined()
})
