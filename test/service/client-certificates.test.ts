/** Named clients that are identified by their certificates, over TLS. */
import { hash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { fetchSecret } from '../../src/channels.ts'
import { Sensitive } from '../../src/secret.ts'
import { fakeProvider } from '../../src/testing/fakes.ts'
import { startService } from '../../src/testing/service.ts'
import { certificateFiles, clientOf, newCertificate } from '../support/http/certificate.ts'
import { type CertificateParameters, ClientCa, type Issued } from '../support/http/client-ca.ts'
import { parseProblem, type RawReply } from '../support/http/http.ts'
import { temporaryFile } from '../support/temporary-file.ts'

const server = await newCertificate()
const [ca, otherCa] = [await ClientCa.create('clients'), await ClientCa.create('others')]
const issue = (commonName: string, more: CertificateParameters = {}) =>
  ca.issue({ subject: [{ CN: [commonName] }], ...more })
const [billing, prometheus, unknown, revoked] = [
  await issue('web 1', { alternativeNames: [{ type: 'url', value: 'spiffe://example/billing' }] }),
  await issue('prometheus', { alternativeNames: [{ type: 'dns', value: 'prometheus.example' }] }),
  await issue('unknown'),
  await issue('billing'),
]

const clients = [
  { name: 'billing', certificates: ['spiffe://example/billing', 'billing'], secrets: ['thedoctor'] },
  { name: 'prometheus', certificates: ['prometheus.example'], may: ['metrics'] },
  { name: 'shop', tokens: ['shop-token'], secrets: ['river'] },
  { name: 'ops', tokens: ['ops-token'], certificates: ['ops'], secrets: ['*'], may: ['secrets', 'reload', 'docs'] },
]

const source = fakeProvider(fetchSecret, ({ codeName }) => ({ codeName, value: new Sensitive(`the ${codeName}`) }))

type Auth = 'required' | 'optional'

/** The whole service over TLS. By default with the document of clients. */
async function start(auth: Auth, flags: Record<string, string> = {}, documented: readonly object[] | null = clients) {
  const { options } = await certificateFiles(server)
  const tlsClientCa = await temporaryFile(ca.cert)
  const document = documented && (await temporaryFile(JSON.stringify({ clients: documented })))
  const service = await startService(
    { source },
    {
      without: 'dynamodb',
      'code-name': ['thedoctor', 'river'],
      'tls-cert': options.tlsCert,
      'tls-key': options.tlsKey,
      'tls-client-ca': tlsClientCa,
      'tls-client-auth': auth,
      'tls-client-crl': await temporaryFile(await ca.crl([revoked])),
      ...(document && { clients: document }),
      ...flags,
    },
  )
  onTestFinished(async () => void (await service.stop()))
  /** The audit lines, as JSON, which leaves out undefined members. */
  const audited = (): Record<string, unknown>[] =>
    service.records
      .filter(({ message }) => message === 'Secret accessed')
      .map(({ fields }) => JSON.parse(JSON.stringify(fields)))
  return { ...service, audited, document, tlsClientCa }
}

/** A client with this certificate. Its requests have the token, if one is given. */
function client({ origin }: { readonly origin: string }, { cert, key }: Partial<Issued> = {}) {
  const ask = clientOf(origin, server, { cert, key })
  return async (path: string, token?: string, method = 'GET') => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const { status = 0, ...others } = await ask(path, { method, headers })
    return { ...others, status, headers: others.headers as RawReply['headers'] } // no header is a list
  }
}

const unauthorized = { status: 401, type: 'urn:secret-bus:problem:unauthorized' }
const invalid = { status: 401, type: 'urn:secret-bus:problem:client-certificate-invalid' }
const required = { status: 401, type: 'urn:secret-bus:problem:client-certificate-required' }

describe.each(['required', 'optional'] as const)('if certificates are %s, a certificate', (auth) => {
  test('identifies its client, with its rights and its scope', async () => {
    const service = await start(auth)
    const [asBilling, asPrometheus] = [client(service, billing), client(service, prometheus)]

    expect(await asBilling('/secret')).toMatchObject({ status: 200, body: '{"secret_code":"the thedoctor"}' })
    expect(parseProblem(await asBilling('/secret/river'))).toMatchObject({ status: 404 })
    expect(parseProblem(await asBilling('/metrics'))).toMatchObject({ status: 403 })
    expect((await asPrometheus('/metrics')).status).toBe(200)
    expect(parseProblem(await asPrometheus('/secret'))).toMatchObject({ status: 403 })
    expect(parseProblem(await asPrometheus('/-/reload', undefined, 'POST'))).toMatchObject({ status: 403 })
  })

  test('is in the audit line by the name of its client, without a token', async () => {
    const service = await start(auth)
    const asBilling = client(service, billing)

    await asBilling('/secret')
    await asBilling('/secret/river')
    await client(service, prometheus)('/secret')

    await expect.poll(service.audited).toHaveLength(3)
    expect(service.audited()).toMatchObject([
      { client: 'billing', codeName: 'thedoctor', status: 200 },
      {
        client: 'billing',
        codeName: 'river',
        status: 404,
        reason: 'Secret "river" is outside of the scope of client billing',
      },
      { client: 'prometheus', status: 403, reason: 'The client does not have the right secrets' },
    ])
    for (const line of service.audited()) expect(line).not.toHaveProperty('token')
  })

  test('that no client lists is refused without a token, also on an unknown path', async () => {
    const service = await start(auth)
    const ask = client(service, unknown)

    const reply = await ask('/secret')

    expect(parseProblem(reply)).toMatchObject(unauthorized)
    expect(reply.headers['www-authenticate']).toBe('Bearer realm="secret-bus"')
    expect(parseProblem(await ask('/nothing'))).toMatchObject(unauthorized)
    expect((await ask('/health')).status).toBe(200)
    await expect.poll(service.audited).toMatchObject([{ status: 401, reason: 'Unknown certificate' }])
    expect(service.audited()[0]).not.toHaveProperty('client')
  })

  test('yields to a token, which decides alone', async () => {
    const service = await start(auth)
    const asBilling = client(service, billing)

    expect((await asBilling('/secret/river', 'shop-token')).status).toBe(200)
    expect((await asBilling('/secret', 'shop-token')).status).toBe(404)
    expect((await client(service, unknown)('/secret/river', 'shop-token')).status).toBe(200)

    await expect.poll(service.audited).toHaveLength(3)
    const token = hash('sha256', 'shop-token').slice(0, 8)
    expect(service.audited()).toMatchObject([200, 404, 200].map((status) => ({ client: 'shop', token, status })))
  })

  test('does not make up for an unknown token', async () => {
    const service = await start(auth)
    const asBilling = client(service, billing)

    const { socket, ...reply } = await asBilling('/secret', 'wrong')

    expect(parseProblem(reply)).toMatchObject(unauthorized)
    expect(reply.headers['www-authenticate']).toBe('Bearer realm="secret-bus", error="invalid_token"')
    expect(await asBilling('/secret')).toMatchObject({ status: 200, socket })
  })

  test.each<[string, () => Promise<Issued> | Issued]>([
    ['has been revoked', () => revoked],
    ['has expired', () => issue('billing', { from: -3, to: -2 })],
    ['was issued by another CA', () => otherCa.issue({ subject: [{ CN: ['billing'] }] })],
  ])('that %s identifies no client, and is refused with a known token as well', async (_, issued) => {
    const service = await start(auth)
    const ask = client(service, await issued())

    expect(parseProblem(await ask('/secret'))).toMatchObject(invalid)
    expect(parseProblem(await ask('/secret/river', 'shop-token'))).toMatchObject(invalid)
    await expect.poll(service.audited).toHaveLength(2)
    for (const line of service.audited()) expect(line).not.toHaveProperty('client')
  })

  test('identifies a client no longer once it has expired on an open connection', async () => {
    const service = await start(auth)
    const ask = client(service, await issue('billing', { to: 2 }))
    const { status, socket } = await ask('/secret')
    expect(status).toBe(200)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3 * 86_400_000 })
    onTestFinished(() => void vi.useRealTimers())

    const reply = await ask('/secret')

    expect(parseProblem(reply)).toMatchObject(invalid)
    expect(reply.socket).toBe(socket)
  })

  test('identifies another client after a change of the document, on the same connection', async () => {
    const service = await start(auth)
    const ask = client(service, billing)
    const { status, socket } = await ask('/secret')
    expect(status).toBe(200)
    const changed = [{ name: 'successor', certificates: ['web 1'], secrets: ['river'] }]
    await writeFile(String(service.document), JSON.stringify({ clients: changed }))

    await service.bus.graceful()

    expect(await ask('/secret')).toMatchObject({ status: 404, socket })
    expect((await ask('/secret/river')).status).toBe(200)
  })

  test('may reload, if its client has the right', async () => {
    const service = await start(auth)

    const { status, body } = await client(service, await issue('ops'))('/-/reload', undefined, 'POST')

    expect(status).toBe(200)
    expect(JSON.parse(body).reloaded).toContainEqual({ listener: 'clients', result: { clients: 4, tokens: 2 } })
  })
})

test('a request without a certificate needs a token if certificates are optional', async () => {
  const service = await start('optional')
  const ask = client(service)

  expect((await ask('/secret/river', 'shop-token')).status).toBe(200)
  expect(parseProblem(await ask('/secret'))).toMatchObject(unauthorized)
  expect(parseProblem(await ask('/secret', 'wrong'))).toMatchObject(unauthorized)
})

test('a known token does not make up for a required certificate', async () => {
  const service = await start('required')

  expect(parseProblem(await client(service)('/secret/river', 'shop-token'))).toMatchObject(required)
})

test('of the identities in a certificate, the first that a client lists decides', async () => {
  const both = [
    { name: 'by-common-name', certificates: ['web 1'] },
    { name: 'by-uri', certificates: ['spiffe://example/billing'], secrets: ['*'] },
  ]
  const service = await start('required', {}, both)

  expect((await client(service, billing)('/secret')).status).toBe(200)
})

test('the rate of a client includes its requests with a certificate and those with a token', async () => {
  const limited = [
    { name: 'limited', tokens: ['limited'], certificates: ['billing', 'web 1'], may: ['metrics'], rate: 0.01 },
  ]
  const service = await start('optional', {}, limited)

  expect((await client(service, billing)('/metrics')).status).toBe(200)
  expect((await client(service)('/metrics', 'limited')).status).toBe(429)
})

test('tokens without a document are necessary in addition to the certificate, which identifies no client', async () => {
  const service = await start('required', { 'auth-token-file': await temporaryFile('let-me-in') }, null)

  expect(parseProblem(await client(service, billing)('/secret'))).toMatchObject(unauthorized)
  expect(parseProblem(await client(service)('/secret', 'let-me-in'))).toMatchObject(required)
  expect((await client(service, billing)('/secret', 'let-me-in')).status).toBe(200)
})

test('without clients and tokens, every certificate of the CA has access to everything except reloads', async () => {
  const service = await start('required', { inspector: 'true' }, null)
  const ask = client(service, unknown)

  for (const path of ['/secret', '/secret/river', '/metrics', '/openapi.json', '/docs', '/-/bus'])
    expect((await ask(path)).status, path).toBe(200)
  expect((await ask('/-/reload', undefined, 'POST')).status).toBe(404)
  expect(parseProblem(await client(service)('/secret'))).toMatchObject(required)
})

test('an identity in the entries of two clients fails the start', async () => {
  const ambiguous = [
    { name: 'a', certificates: ['billing'] },
    { name: 'b', tokens: ['b'], certificates: ['other', 'billing'] },
  ]

  await expect(start('required', {}, ambiguous)).rejects.toMatchObject({
    message: expect.stringContaining('clients[1].certificates[1]: must differ from clients[0].certificates[0]'),
  })
})

describe('the API document', () => {
  const bearer = ['bearer', { type: 'http', scheme: 'bearer' }] as const
  const basic = ['basic', { type: 'http', scheme: 'basic' }] as const
  const mutualTLS = ['mutualTLS', { type: 'mutualTLS' }] as const
  const tokens = { 'auth-token-file': 'let-me-in' }
  const rules = { struct: 'error', 'security-defined': 'error', 'no-unresolved-refs': 'error' } as const
  const lint = async (source: string) => lintFromString({ source, config: await createConfig({ rules }) })

  /** What requests to `/secret` and `/docs` need: each element is sufficient. */
  const expected = [
    {
      name: 'optional certificates and clients',
      auth: 'optional',
      schemes: [bearer, basic, mutualTLS],
      security: [{ bearer: [] }, { mutualTLS: [] }],
      secret: [{ bearer: ['secrets'] }, { mutualTLS: ['secrets'] }],
      openapi: [{ bearer: ['docs'] }, { basic: ['docs'] }, { mutualTLS: ['docs'] }],
      problems: ['unauthorized', 'client-certificate-invalid'],
    },
    {
      name: 'required certificates and clients',
      auth: 'required',
      schemes: [bearer, basic, mutualTLS],
      security: [{ mutualTLS: [], bearer: [] }, { mutualTLS: [] }],
      secret: [{ mutualTLS: [], bearer: ['secrets'] }, { mutualTLS: ['secrets'] }],
      openapi: [{ mutualTLS: [], bearer: ['docs'] }, { mutualTLS: [], basic: ['docs'] }, { mutualTLS: ['docs'] }],
      problems: ['unauthorized', 'client-certificate-required', 'client-certificate-invalid'],
    },
    {
      name: 'optional certificates and tokens',
      auth: 'optional',
      flags: tokens,
      schemes: [bearer, basic],
      security: [{ bearer: [] }],
      secret: [{ bearer: ['secrets'] }],
      openapi: [{ bearer: ['docs'] }, { basic: ['docs'] }],
      problems: ['unauthorized', 'client-certificate-invalid'],
    },
    {
      name: 'required certificates and tokens',
      auth: 'required',
      flags: tokens,
      schemes: [bearer, basic, mutualTLS],
      security: [{ mutualTLS: [], bearer: [] }],
      secret: [{ mutualTLS: [], bearer: ['secrets'] }],
      openapi: [
        { mutualTLS: [], bearer: ['docs'] },
        { mutualTLS: [], basic: ['docs'] },
      ],
      problems: ['unauthorized', 'client-certificate-required', 'client-certificate-invalid'],
    },
    {
      name: 'required certificates alone',
      auth: 'required',
      flags: {},
      schemes: [mutualTLS],
      security: [{ mutualTLS: [] }],
      secret: undefined,
      openapi: undefined,
      problems: ['client-certificate-required', 'client-certificate-invalid'],
    },
    {
      name: 'optional certificates alone',
      auth: 'optional',
      flags: {},
      schemes: [],
      security: [],
      secret: undefined,
      openapi: undefined,
      problems: ['client-certificate-invalid'],
    },
  ] as const

  test.each(expected)('describes $name', async ({ auth, schemes, security, secret, openapi, problems, ...others }) => {
    const file = await temporaryFile('let-me-in')
    const flags = 'flags' in others ? others.flags : undefined
    const given = Object.fromEntries(Object.keys(flags ?? {}).map((flag) => [flag, file]))
    const service = await start(auth, given, flags ? null : clients)
    const token = flags ? 'let-me-in' : 'ops-token'

    const { body } = await client(service, billing)('/openapi.json', token)

    const { components, paths, ...document } = JSON.parse(body)
    expect(components.securitySchemes ?? {}).toMatchObject(Object.fromEntries(schemes))
    expect(Object.keys(components.securitySchemes ?? {})).toEqual(schemes.map(([name]) => name))
    expect(document.security).toEqual(security)
    expect(paths['/secret'].get.security).toEqual(secret)
    expect(paths['/openapi.json'].get.security).toEqual(openapi)
    expect(paths['/health'].get.security).toEqual([])
    const { examples } = paths['/secret'].get.responses[401].content['application/problem+json']
    expect(Object.keys(examples)).toEqual(problems)
    expect(await lint(body)).toEqual([])
  })
})
