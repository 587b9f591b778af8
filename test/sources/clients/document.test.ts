import { hash, timingSafeEqual } from 'node:crypto'
import { Ajv } from 'ajv'
import { describe, expect, test, vi } from 'vitest'
import type { Right } from '../../../src/client.ts'
import { Sensitive } from '../../../src/secret.ts'
import { documentReader } from '../../../src/sources/clients/document.ts'
import { KnownClients } from '../../../src/sources/clients/known-clients.ts'
import { clientsSchema } from '../../../src/sources/clients/schema.ts'

// Counted, not replaced.
vi.mock('node:crypto', { spy: true })

const rights = new Set<Right>(['secrets', 'metrics', 'reload', 'docs', 'inspector'])
const sha256 = (token: string) => `sha256:${hash('sha256', token)}`

const read = (document: unknown, codeNames?: string[]) =>
  documentReader(rights, codeNames)(typeof document === 'string' ? document : JSON.stringify(document))

const client = { name: 'billing', tokens: [sha256('one')] }

describe('a document', () => {
  test('defines clients with their tokens, secrets, rights and rates', () => {
    const { entries, warnings } = read({
      $schema: 'https://example.com/clients.schema.json',
      clients: [
        { ...client, secrets: ['thedoctor', 'billing/*'], rate: 50 },
        { name: 'ops', certificates: ['spiffe://example/ops'], secrets: ['*'], may: ['metrics', 'reload'] },
      ],
    })

    expect(warnings).toEqual([])
    expect(entries).toMatchObject([
      {
        name: 'billing',
        tokens: [hash('sha256', 'one', 'buffer')],
        certificates: [],
        may: new Set(['secrets']),
        rate: 50,
      },
      {
        name: 'ops',
        tokens: [],
        certificates: ['spiffe://example/ops'],
        may: new Set(['metrics', 'reload']),
        rate: undefined,
      },
    ])
    const names = ['thedoctor', 'billing/a/b', 'billing', 'river', 'thedoctor2']
    expect(entries.map(({ mayRead }) => names.filter(mayRead))).toEqual([['thedoctor', 'billing/a/b'], names])
  })

  test('lets a client without secrets read none', () => {
    expect(read({ clients: [client] }).entries[0]?.mayRead('')).toBe(false)
  })

  test('may begin with a byte order mark', () => {
    expect(read(`\uFEFF${JSON.stringify({ clients: [client] })}`).entries).toHaveLength(1)
  })

  test('accepts a hash in upper case, and a token in plain text with a warning that does not quote it', () => {
    const { entries, warnings } = read({
      clients: [
        { name: 'a', tokens: [sha256('one').toUpperCase().replace('SHA256', 'sha256'), 'classified'] },
        { name: 'b', tokens: ['classified-2'] },
      ],
    })

    expect(entries[0]?.tokens).toEqual([hash('sha256', 'one', 'buffer'), hash('sha256', 'classified', 'buffer')])
    expect(warnings).toEqual([
      'clients[0].tokens[1] and 1 others: a token in plain text; replace it with sha256: and its hash',
    ])
  })

  test('causes a warning if a pattern matches no configured code name', () => {
    const document = { clients: [{ ...client, secrets: ['thedoctor', 'b*g/*', 'bil*', 'river'] }] }

    expect(read(document, ['thedoctor', 'billing/key']).warnings).toEqual([
      'clients[0].secrets[3]: the pattern matches no configured code name',
    ])
    expect(read(document).warnings).toEqual([])
  })

  const list = (member: string) => ({ clients: [{ ...client, [member]: [] }] })

  test.each<[unknown, string]>([
    ['', 'must be JSON'],
    ['{"clients": [classified]}', 'must be JSON'],
    ['null', 'must be an object with the member clients'],
    ['[]', 'must be an object with the member clients'],
    [{}, 'must have the member clients'],
    [{ clients: [client], classified: 1 }, 'must have no members other than $schema, clients'],
    [{ clients: [] }, 'clients: must be a list of at least one client'],
    [{ clients: {} }, 'clients: must be a list of at least one client'],
    [{ clients: ['classified'] }, 'clients[0]: must be a client: an object with a name, and tokens or certificates'],
    [{ clients: [{ tokens: ['classified'] }] }, 'clients[0]: must have the member name'],
    [{ clients: [{ name: 'billing' }] }, 'clients[0]: must have the member tokens or certificates'],
    [
      { clients: [client, { name: 'x', tokens: ['x'], classified: 1 }] },
      'clients[1]: must have no members other than name, tokens, certificates, secrets, may, rate',
    ],
    ...['', 'other', '-a', 'a b', 'a\n', 'x'.repeat(101), 1, null].map((name): [unknown, string] => [
      { clients: [{ ...client, name }] },
      'clients[0].name: must be a name of 1 to 100 letters, digits and _ . : @ / - that begins with a letter or digit, but not other',
    ]),
    ...['', 'classified token', 'sha256:classified', sha256('x').slice(0, -1), 'SHA256:', 'a:b', 1].map(
      (token): [unknown, string] => [
        { clients: [{ name: 'billing', tokens: [sha256('one'), token] }] },
        'clients[0].tokens[1]: must be sha256: and the 64 hexadecimal digits of the hash of a bearer token, or the bearer token',
      ],
    ),
    [list('tokens'), 'clients[0].tokens: must be a list of at least one token'],
    [list('certificates'), 'clients[0].certificates: must be a list of at least one identity of a client certificate'],
    [list('secrets'), 'clients[0].secrets: must be a list of at least one code name'],
    [list('may'), 'clients[0].may: must be a list of at least one right'],
    [
      { clients: [{ ...client, secrets: [''] }] },
      'clients[0].secrets[0]: must be a code name of 1 to 2048 characters, in which * stands for any characters',
    ],
    [
      { clients: [{ ...client, may: ['secrets', 'secret'] }] },
      'clients[0].may[1]: must be one of secrets, metrics, reload, docs, inspector',
    ],
    ...[0, 0.0009, -1, '1'].map((rate): [unknown, string] => [
      { clients: [{ ...client, rate }] },
      'clients[0].rate: must be a number of requests per second of at least 0.001',
    ]),
    [{ clients: [client, { ...client, tokens: ['x'] }] }, 'clients[1].name: must differ from clients[0].name'],
    [
      { clients: [client, { name: 'b', tokens: ['two', 'one'] }] },
      'clients[1].tokens[1]: must differ from clients[0].tokens[0]',
    ],
    [
      { clients: [{ name: 'b', tokens: ['two', 'two'] }] },
      'clients[0].tokens[1]: must differ from clients[0].tokens[0]',
    ],
    [
      {
        clients: [
          { name: 'a', certificates: ['x'] },
          { name: 'b', certificates: ['x'] },
        ],
      },
      'clients[1].certificates[0]: must differ from clients[0].certificates[0]',
    ],
  ])('is refused, without quoting a token: %j', (document, message) => {
    expect(() => read(document)).toThrow(expect.objectContaining({ name: 'InvalidClients', message }))
    expect(message).not.toContain('classified')
  })

  test('has a valid schema', () => {
    const ajv = new Ajv()

    expect(ajv.validateSchema(clientsSchema), ajv.errorsText()).toBe(true)
  })

  test('has the schema docs/clients.schema.json; update with: npx vitest run test/sources/clients -u', async () => {
    await expect(`${JSON.stringify(clientsSchema, undefined, 2)}\n`).toMatchFileSnapshot(
      '../../../docs/clients.schema.json',
    )
  })
})

describe('with 10,000 clients,', () => {
  const token = (index: number) => `token-${index}`
  const clients = Array.from({ length: 10_000 }, (_, index) => ({
    name: `client-${index}`,
    tokens: [sha256(token(index)), sha256(`old-${token(index)}`)],
    secrets: [`team-${index}/*`],
  }))
  const known = new KnownClients(read({ clients }).entries)

  test.each([0, 4_999, 9_999])('client %i is found with one hash and one comparison', (index) => {
    vi.mocked(timingSafeEqual).mockClear()
    vi.mocked(hash).mockClear()

    expect(known.identify({ token: new Sensitive(token(index)) })?.name).toBe(`client-${index}`)
    expect(timingSafeEqual).toHaveBeenCalledTimes(1)
    expect(hash).toHaveBeenCalledTimes(1)
  })

  test('an unknown token is rejected without a comparison', () => {
    vi.mocked(timingSafeEqual).mockClear()

    expect(known.identify({ token: new Sensitive('token-10000') })).toBeUndefined()
    expect(timingSafeEqual).not.toHaveBeenCalled()
  })
})
