import { hash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { backgroundLoop, channels, Sensitive, type Subscriber } from 'secret-bus'
import { type Flags, fakeProvider, pluginContext, startService } from 'secret-bus/testing'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import * as javascript from './oidc.mjs'
import * as typescript from './oidc.ts'

const issuer = 'https://issuer.example'
const audience = 'secret-bus'
const second = 1
const minute = 60 * second
const now = () => Math.floor(Date.now() / 1_000)

const poll = { timeout: 30_000 }
vi.setConfig({ testTimeout: 60_000 })

const mapping = {
  clients: [
    { name: 'rose', claims: { sub: 'rose' }, secrets: ['rose/*'] },
    { name: 'prometheus', claims: { azp: 'prometheus' }, may: ['metrics'] },
    { name: 'staff', claims: { groups: 'staff', email_verified: true }, secrets: ['*'], may: ['secrets', 'metrics'] },
  ],
}

/** Undefined leaves a claim out. */
type Claims = { readonly [Name in keyof JWTPayload]: JWTPayload[Name] | undefined }

async function newKey(kid: string, alg = 'RS256') {
  const { privateKey, publicKey } = await generateKeyPair(alg)
  const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }
  const sign = (payload: Claims = {}, header: object = {}) =>
    new SignJWT({ iss: issuer, aud: audience, exp: now() + 5 * minute, sub: 'rose', ...payload } as JWTPayload)
      .setProtectedHeader({ alg, kid, ...header })
      .sign(privateKey)
  return { jwk, publicKey, sign }
}

const first = await newKey('first')
const rotated = await newKey('rotated', 'ES256')

/** The server of the issuer's keys. */
async function startIssuer() {
  const state = { status: 200, body: JSON.stringify({ keys: [first.jwk] }), requests: 0, hangs: false }
  const serve = (keys: readonly object[]) => {
    state.body = JSON.stringify({ keys })
  }
  const server = createServer((_, response) => {
    state.requests += 1
    if (state.hangs) return
    response.writeHead(state.status, { 'content-type': 'application/json' }).end(state.body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return Object.assign(state, {
    serve,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks?tenant=1`,
  })
}

/** Moves the monotonic clock, by which keys become old. Token times depend on the wall clock. */
function movableClock() {
  const real = performance.now.bind(performance)
  let offset = 0
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => real() + offset)
  onTestFinished(() => spy.mockRestore())
  return (ms: number) => {
    offset += ms
  }
}

async function writeMapping(document: unknown) {
  const folder = await mkdtemp(join(tmpdir(), 'oidc-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'clients.json')
  await writeFile(file, typeof document === 'string' ? document : JSON.stringify(document))
  return file
}

describe.each([
  ['oidc.mjs', javascript],
  ['oidc.ts', typescript],
])('%s', (file, { default: oidc, options }) => {
  /** Starts the service with the plugin. Its source has every secret. */
  async function start(url: string, flags: Flags = {}, document: unknown = mapping) {
    const source = fakeProvider(channels.fetchSecret, ({ codeName }) => ({
      codeName,
      value: new Sensitive('bad wolf'),
      fetchedAt: Date.now(),
    }))
    const turns = { count: 0 }
    /** As often as the plugin considers to fetch the keys. */
    const counted: Subscriber = (bus) => {
      const count = () => {
        turns.count += 1
      }
      backgroundLoop(bus, count, { every: 1_000 })
    }
    const clientsFile = await writeMapping(document)
    const service = await startService(
      { source, counted },
      {
        without: 'dynamodb',
        'code-name': ['rose/key', 'other'],
        plugin: join(import.meta.dirname, file),
        'oidc-issuer': issuer,
        'oidc-audience': audience,
        'oidc-jwks-url': url,
        'oidc-clients': clientsFile,
        ...flags,
      },
    )
    onTestFinished(async () => void (await service.stop()))
    const get = async (token: string | undefined, path = '/secret/rose%2Fkey') => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
      const response = await fetch(service.origin + path, { headers })
      await response.text()
      return response.status
    }
    const health = async () => {
      const response = await fetch(`${service.origin}/ready`)
      const { checks } = (await response.json()) as { checks: Record<string, [{ status: string }]> }
      return checks['oidc']?.[0].status
    }
    const refusals = () =>
      service.records
        .filter(({ level, message }) => level === 'debug' && message === 'Refused a token')
        .map(({ fields }) => {
          const { reason, claim }: { readonly reason?: string; readonly claim?: string } = fields
          return [reason, claim]
        })
    return { ...service, clientsFile, get, health, refusals, turns }
  }

  test.each([
    ['that is valid', () => first.sign(), 200, []],
    ['that is expired within the tolerance', () => first.sign({ exp: now() - second }), 200, []],
    ['that is expired', () => first.sign({ exp: now() - minute }), 401, ['ERR_JWT_EXPIRED', 'exp']],
    ['without an expiry', () => first.sign({ exp: undefined }), 401, ['ERR_JWT_CLAIM_VALIDATION_FAILED', 'exp']],
    [
      'that is not yet valid',
      () => first.sign({ nbf: now() + minute }),
      401,
      ['ERR_JWT_CLAIM_VALIDATION_FAILED', 'nbf'],
    ],
    ['of another issuer', () => first.sign({ iss: `${issuer}/` }), 401, ['ERR_JWT_CLAIM_VALIDATION_FAILED', 'iss']],
    ['without an issuer', () => first.sign({ iss: undefined }), 401, ['ERR_JWT_CLAIM_VALIDATION_FAILED', 'iss']],
    ['for another audience', () => first.sign({ aud: 'x' }), 401, ['ERR_JWT_CLAIM_VALIDATION_FAILED', 'aud']],
    ['for several audiences', () => first.sign({ aud: ['x', audience] }), 200, []],
    ['without an audience', () => first.sign({ aud: undefined }), 401, ['ERR_JWT_CLAIM_VALIDATION_FAILED', 'aud']],
    ['of an unknown key', () => rotated.sign(), 401, ['ERR_JWKS_NO_MATCHING_KEY', undefined]],
    [
      'signed by another key',
      async () => (await newKey('first')).sign(),
      401,
      ['ERR_JWS_SIGNATURE_VERIFICATION_FAILED', undefined],
    ],
    ['without a matching client', () => first.sign({ sub: 'x' }), 401, ['NO_CLIENT_WITH_THESE_CLAIMS', undefined]],
    [
      'without a signature',
      async () => new UnsecuredJWT({ sub: 'rose' }).setIssuer(issuer).setAudience(audience).encode(),
      401,
      ['ERR_JOSE_ALG_NOT_ALLOWED', undefined],
    ],
    [
      'with the public key as a shared secret',
      async () =>
        new SignJWT({ iss: issuer, aud: audience, exp: now() + minute, sub: 'rose' })
          .setProtectedHeader({ alg: 'HS256', kid: 'first' })
          .sign(new TextEncoder().encode(await exportSPKI(first.publicKey))),
      401,
      ['ERR_JOSE_ALG_NOT_ALLOWED', undefined],
    ],
    ['that is malformed', async () => 'bad.wolf.dalek', 401, ['ERR_JWS_INVALID', undefined]],
    ['that is missing', async () => undefined, 401, undefined],
  ])('a token %s', async (_, create, status, refusal) => {
    const service = await start((await startIssuer()).url)
    const token = await create()

    expect(await service.get(token)).toBe(status)

    expect(service.refusals()).toEqual(refusal?.length ? [refusal] : [])
    const parts = token?.split('.').filter((part) => part !== '') ?? []
    const log = inspect(service.records, { depth: 9, showHidden: true })
    expect(parts.filter((part) => log.includes(part))).toEqual([])
  })

  test('maps claims to clients, with their scopes and rights', async () => {
    const service = await start((await startIssuer()).url)
    const tokens = {
      rose: await first.sign(),
      prometheus: await first.sign({ sub: 'x', azp: 'prometheus' }),
      staff: await first.sign({ sub: 'x', groups: ['guests', 'staff'], email_verified: true }),
      unverified: await first.sign({ sub: 'x', groups: ['staff'], email_verified: 'true' }),
    }
    const paths = ['/secret/rose%2Fkey', '/secret/rose%2Fnone', '/secret/other', '/metrics', '/openapi.json', '/health']

    const statuses: Record<string, number[]> = {}
    for (const [name, token] of Object.entries(tokens)) {
      statuses[name] = []
      for (const path of paths) statuses[name].push(await service.get(token, path))
    }

    expect(statuses).toEqual({
      rose: [200, 404, 404, 403, 403, 200],
      prometheus: [403, 403, 403, 200, 403, 200],
      staff: [200, 404, 200, 200, 403, 200],
      unverified: [401, 401, 401, 401, 401, 200],
    })
  })

  test('names the client and the digits of the hash of its token in the audit line', async () => {
    const service = await start((await startIssuer()).url)

    const bearer = await first.sign()

    await service.get(bearer)

    const token = hash('sha256', bearer).slice(0, 8)
    await expect
      .poll(() => service.records.map(({ fields }) => fields), poll)
      .toContainEqual(expect.objectContaining({ client: 'rose', token, status: 200 }))
  })

  test('fetches the keys for an unknown key, at most once per 10 s', async () => {
    const advance = movableClock()
    const keyServer = await startIssuer()
    const service = await start(keyServer.url)
    await expect.poll(service.health, poll).toBe('pass')
    const token = await rotated.sign()

    keyServer.serve([first.jwk, rotated.jwk])
    const refused = [await service.get(token), await service.get(token)]
    const requests = keyServer.requests
    advance(10_000)
    const accepted = await Promise.all([service.get(token), service.get(token), service.get(await first.sign())])

    expect({ refused, requests, accepted }).toEqual({ refused: [401, 401], requests: 1, accepted: [200, 200, 200] })
    expect(keyServer.requests).toBe(2)
  })

  test('fetches the keys every five minutes, and then refuses a key that is gone', async () => {
    const advance = movableClock()
    const keyServer = await startIssuer()
    const service = await start(keyServer.url)
    const token = await first.sign()
    expect(await service.get(token)).toBe(200)

    keyServer.serve([rotated.jwk])
    advance(200_000)
    const { count } = service.turns
    await expect.poll(() => service.turns.count, poll).toBeGreaterThan(count + 2)
    expect(await service.get(token)).toBe(200)
    expect(keyServer.requests).toBe(1)
    advance(100_000)

    await expect.poll(() => service.get(token), poll).toBe(401)
    expect(await service.get(await rotated.sign())).toBe(200)
  })

  test.each([
    ['is down', { status: 500 }],
    ['does not respond', { hangs: true }],
    ['does not reply with JSON', { body: 'bad wolf' }],
    ['does not reply with keys', { body: '{"keys":"bad wolf"}' }],
  ])('starts while the server %s: 503 and a warning, until the keys are fetched', async (_, fault) => {
    const advance = movableClock()
    const keyServer = Object.assign(await startIssuer(), fault)
    const service = await start(keyServer.url)
    const token = await first.sign()

    const response = await fetch(`${service.origin}/secret`, { headers: { authorization: `Bearer ${token}` } })
    expect(await response.json()).toMatchObject({ type: 'urn:secret-bus:problem:oidc-keys-unavailable', status: 503 })
    expect(response.headers.get('retry-after')).toBe('10')
    const statuses = await Promise.all(Array.from({ length: 5 }, () => service.get(token)))
    expect(statuses).toEqual([503, 503, 503, 503, 503])
    expect(keyServer.requests).toBe(1)
    expect(await service.get('bad.wolf.dalek')).toBe(401)
    expect(await service.health()).toBe('warn')
    await expect
      .poll(() => service.messages('warn'), poll)
      .toContainEqual(expect.stringContaining('Failed to fetch the keys of the issuer'))

    Object.assign(keyServer, { status: 200, hangs: false, body: JSON.stringify({ keys: [first.jwk] }) })
    advance(10_000)
    expect(await service.get(token)).toBe(200)
    expect(await service.health()).toBe('pass')
    expect(inspect(service.records, { depth: 9 })).not.toContain('bad wolf')
  })

  test('keeps the keys for --oidc-max-stale while they cannot be fetched', async () => {
    const advance = movableClock()
    const keyServer = await startIssuer()
    const service = await start(keyServer.url, { 'oidc-max-stale': '10m' })
    const token = await first.sign()
    expect(await service.get(token)).toBe(200)

    keyServer.status = 503
    advance(5 * 60_000)
    await expect.poll(service.health, poll).toBe('warn')
    expect(await service.get(token)).toBe(200)
    expect(await service.get(await rotated.sign())).toBe(503)
    advance(10 * 60_000)
    expect(await service.get(token)).toBe(503)

    keyServer.status = 200
    advance(10_000)
    expect(await service.get(token)).toBe(200)
  })

  test('reads the mapping again on a reload, and keeps the last valid one', async () => {
    const service = await start((await startIssuer()).url)
    const token = await first.sign({ sub: 'river' })
    expect(await service.get(token)).toBe(401)

    await writeFile(
      service.clientsFile,
      JSON.stringify({ clients: [{ name: 'river', claims: { sub: 'river' }, secrets: ['*'] }] }),
    )
    await service.bus.graceful()
    expect(await service.get(token)).toBe(200)

    await writeFile(service.clientsFile, '')
    await expect(service.bus.graceful()).rejects.toThrow('--oidc-clients')
    expect(await service.get(token)).toBe(200)
  })

  const rose = { name: 'rose', claims: { sub: 'rose' } }
  test.each([
    ['', 'the document must be an object with only the member clients'],
    [{ clients: [] }, 'the document must be an object with only the member clients, a list of at least one client'],
    [{ clients: [rose], x: 1 }, 'the document must be an object with only the member clients'],
    [{ clients: ['rose'] }, 'clients[0] must be an object with no members other than name, claims, secrets, may'],
    [{ clients: [{ ...rose, tokens: ['x'] }] }, 'clients[0] must be an object with no members other than'],
    [{ clients: [{ ...rose, name: 'a b' }] }, 'clients[0].name must be'],
    [{ clients: [{ ...rose, name: 'other' }] }, 'clients[0].name must be'],
    [{ clients: [rose, rose] }, 'the names of clients must be unique, received rose twice'],
    [{ clients: [{ name: 'rose' }] }, 'clients[0].claims must be an object with at least one claim'],
    [{ clients: [rose, { name: 'all', claims: {} }] }, 'clients[1].claims must be an object with at least one claim'],
    [{ clients: [{ ...rose, claims: { sub: ['x'] } }] }, 'clients[0].claims must be an object with at least one claim'],
    [{ clients: [{ ...rose, secrets: [] }] }, 'clients[0].secrets must be a list of at least one code name'],
    [{ clients: [{ ...rose, secrets: 'x' }] }, 'clients[0].secrets must be a list of at least one code name'],
    [{ clients: [{ ...rose, may: ['fly'] }] }, 'clients[0].may must be a list of at least one of secrets, metrics'],
  ])('refuses an invalid mapping, case %#', async (document, message) => {
    const { url } = await startIssuer()

    await expect(start(url, {}, document)).rejects.toThrow(message)
  })

  test('requires its options, and keys that come over HTTPS', async () => {
    const create = async (flags: Record<string, string>) => oidc(await pluginContext(flags, { name: 'oidc', options }))

    await expect(create({ 'oidc-issuer': issuer })).rejects.toThrow('--oidc-clients must be set')
    for (const url of ['http://issuer.example/jwks', 'http://localhost@issuer.example/jwks', 'issuer.example'])
      await expect(create({ 'oidc-jwks-url': url })).rejects.toThrow('must be a URL with the scheme https://')
  })
})
