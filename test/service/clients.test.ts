/** What each client may do, and changes of the document of clients in the table. */
import { hash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Subscriber } from '../../src/bus/process/process-bus.ts'
import { declareRights, getSecret, httpRoutes } from '../../src/channels.ts'
import type { Right } from '../../src/client.ts'
import { clientOf } from '../../src/handlers/guards/client-of.ts'
import { credentials, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { fetchReply, parseProblem } from '../support/http/http.ts'
import { type AssembledService, assembleService } from '../support/service/assemble-service.ts'
import { startTestService } from '../support/service/test-service.ts'
import { temporaryFile } from '../support/temporary-file.ts'

beforeEach(() => {
  for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
})

afterEach(() => {
  vi.unstubAllEnvs()
})

const sha256 = (token: string) => `sha256:${hash('sha256', token)}`
const prefix = (token: string) => hash('sha256', token).slice(0, 8)
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

declare module 'secret-bus' {
  interface Rights {
    orders: true
  }
}

const orders: Right = 'orders'

const plugin: Subscriber = (bus) => {
  bus.subscribe(declareRights, () => [orders])
  bus.subscribe(httpRoutes, (app) => {
    app.get('/orders', { config: { needs: orders } }, async (request) => ({ client: clientOf(request)?.name }))
    app.get('/any', async (request) => ({ client: clientOf(request)?.name }))
    app.get('/open', { config: { open: true } }, async () => 'open')
  })
}

/** The document; the token of each client is its name. */
const document = (clients: readonly object[]) =>
  JSON.stringify({ clients: clients.map((client) => ({ tokens: [sha256(Object(client).name)], ...client })) })

const named = [
  { name: 'billing', secrets: ['thedoctor', 'billing/*'] },
  { name: 'river', secrets: ['river', 'absent', 'unconfigured', 'orders-api', 'clients'] },
  { name: 'nothing' },
  { name: 'prometheus', may: ['metrics'] },
  { name: 'reader', secrets: ['*'], may: ['docs'] },
  { name: 'watcher', may: ['inspector'] },
  { name: 'deployer', may: ['reload'] },
  { name: 'shop', secrets: ['*'], may: ['orders', 'secrets'] },
  { name: 'ops', secrets: ['*'], may: ['secrets', 'metrics', 'reload', 'docs', 'inspector', 'orders'] },
]

/** Those that need no plugin. */
const usual = named.filter(({ may = [] }) => !may.includes('orders'))

const flags = {
  'code-name': ['thedoctor', 'billing/key', 'river', 'absent'],
  'private-code-name': 'orders-api',
  inspector: 'true',
}

async function table(clients: readonly object[] = named) {
  const dynamodb = await startDynamodb()
  onTestFinished(dynamodb.close)
  for (const codeName of ['thedoctor', 'billing/key', 'river', 'unconfigured', 'orders-api'])
    await dynamodb.putSecret(codeName, `the secret ${codeName}`)
  await dynamodb.putSecret('clients', document(clients))
  return dynamodb
}

async function start(more: Record<string, string | string[]>, environment = {}): Promise<AssembledService> {
  const service = await assembleService({ ...flags, ...more }, environment)
  service.bus.use('plugin', plugin)
  await service.bus.start()
  return service
}

async function startWithTable(more: Record<string, string | string[]> = {}) {
  const dynamodb = await table()
  const service = await start({ 'dynamodb-endpoint': dynamodb.endpoint, 'clients-secret': 'clients', ...more })
  await expect.poll(async () => (await ask(service, '/any', 'ops')).status).toBe(200)
  return { ...service, dynamodb }
}

function ask({ origin }: Pick<AssembledService, 'origin'>, path: string, token?: string, method = 'GET') {
  return fetchReply(`${origin()}${path}`, { method, headers: token === undefined ? {} : bearer(token) })
}

const audited = ({ logged }: AssembledService) => logged().filter(({ msg }) => msg === 'Secret accessed')

describe('the routes', () => {
  const requests = [
    'GET /secret',
    'GET /secret/thedoctor',
    'GET /secret/billing%2Fkey',
    'GET /secret/river',
    'GET /secret/absent',
    'GET /secret/unconfigured',
    'GET /secret/orders-api',
    'GET /secret/clients',
    'GET /metrics',
    'GET /openapi.json',
    'GET /docs',
    'GET /-/bus',
    'POST /-/reload',
    'GET /orders',
    'GET /any',
    'GET /missing',
    'GET /open',
    'GET /health',
  ]
  /** By client, in the order of the requests. The open routes are the last two. */
  const expected = {
    '': '401 401 401 401 401 401 401 401 401 401 401 401 401 401 401 401 200 200',
    unknown: '401 401 401 401 401 401 401 401 401 401 401 401 401 401 401 401 200 200',
    billing: '200 200 200 404 404 404 404 404 403 403 403 403 403 403 200 404 200 200',
    river: '404 404 404 200 404 404 404 404 403 403 403 403 403 403 200 404 200 200',
    nothing: '404 404 404 404 404 404 404 404 403 403 403 403 403 403 200 404 200 200',
    prometheus: '403 403 403 403 403 403 403 403 200 403 403 403 403 403 200 404 200 200',
    reader: '403 403 403 403 403 403 403 403 403 200 200 403 403 403 200 404 200 200',
    watcher: '403 403 403 403 403 403 403 403 403 403 403 200 403 403 200 404 200 200',
    deployer: '403 403 403 403 403 403 403 403 403 403 403 403 500 403 200 404 200 200',
    shop: '200 200 200 200 404 404 404 404 403 403 403 403 403 200 200 404 200 200',
    ops: '200 200 200 200 404 404 404 404 200 200 200 200 500 200 200 404 200 200',
  }

  test('return to each client what its rights and its scope allow', async () => {
    const service = await startWithTable()
    const actual: Record<string, string> = {}

    for (const client of Object.keys(expected)) {
      const statuses: number[] = []
      for (const [method = '', path = ''] of requests.map((request) => request.split(' ')))
        statuses.push((await ask(service, path, client === '' ? undefined : client, method)).status)
      actual[client] = statuses.join(' ') // the reload fails, because the secret `absent` does not exist
    }

    expect(actual).toEqual(expected)
  })

  test('do not distinguish a secret outside of the scope from one that does not exist', async () => {
    const service = await startWithTable()
    const replies = []

    for (const codeName of ['absent', 'unconfigured', 'thedoctor', 'orders-api', 'clients']) {
      const { status, headers, body } = await ask(service, `/secret/${codeName}`, 'river')
      const { instance: _, ...problem } = JSON.parse(body)
      const { date, 'x-request-id': id, ...others } = headers
      replies.push({ status, problem, headers: { ...others, 'content-length': body.length } })
    }

    expect(new Set(replies.map((reply) => JSON.stringify(reply))).size).toBe(1)
    expect(replies[0]).toMatchObject({ status: 404, problem: { type: 'urn:secret-bus:problem:secret-not-found' } })
  })

  test('tell plugins the client', async () => {
    const service = await startWithTable()

    expect((await ask(service, '/orders', 'shop')).body).toBe('{"client":"shop"}')
    expect((await ask(service, '/any', 'nothing')).body).toBe('{"client":"nothing"}')
  })

  test('allow everything without authentication, except private secrets', async () => {
    const dynamodb = await table()
    const service = await start({ 'dynamodb-endpoint': dynamodb.endpoint })
    const statusOf = async (path: string) => (await ask(service, path)).status

    for (const path of ['/secret', '/secret/river', '/metrics', '/docs', '/orders'])
      expect(await statusOf(path), path).toBe(200)
    expect(await statusOf('/secret/orders-api')).toBe(404)
    const secret = await service.bus.request(getSecret, { codeName: 'orders-api' })
    expect(secret.value.reveal()).toBe('the secret orders-api')
    expect((await ask(service, '/any')).body).toBe('{}')
  })

  test('challenge a client without the right', async () => {
    const service = await startWithTable()

    const reply = await ask(service, '/metrics', 'billing')

    expect(parseProblem(reply)).toMatchObject({ status: 403, type: 'urn:secret-bus:problem:forbidden' })
    expect(reply.headers['www-authenticate']).toBe('Bearer realm="secret-bus", error="insufficient_scope"')
  })
})

describe('a route', () => {
  const startWith = async (config: object) => {
    const service = await assembleService({ embedded: 'true' })
    service.bus.use('plugin', (bus) => {
      bus.subscribe(httpRoutes, (app) => void app.get('/orders', { config }, async () => 'orders'))
    })
    return service.bus.start()
  }

  test.each([
    [{ needs: 'orders' }, 'The route /orders needs the right orders, which no subscriber declares on rights.declare'],
    [{ needs: 'metrics', open: true }, 'The route /orders must not be open, because it needs the right metrics'],
  ])('with %j fails the start', async (config, message) => {
    await expect(startWith(config)).rejects.toMatchObject({ errors: [{ message, exitCode: 78 }] })
  })

  test('cannot rely on a declaration that fails', async () => {
    const service = await assembleService({ embedded: 'true' })
    service.bus.use('plugin', (bus) => bus.subscribe(declareRights, () => Promise.reject(new Error('oops'))))

    await expect(service.bus.start()).rejects.toThrow('oops')
  })

  test.each([
    ['orders', 'plugin must declare rights as a list of names'],
    [['Orders'], 'plugin must declare rights in kebab case, received "Orders"'],
    [[1], 'plugin must declare rights in kebab case, received 1'],
    [[true], 'plugin must declare rights in kebab case, received true'],
  ])('cannot rely on the declaration %j', async (declared, message) => {
    const service = await assembleService({ embedded: 'true' })
    service.bus.use('plugin', (bus) => bus.subscribe(declareRights, () => declared as Right[]))

    await expect(service.bus.start()).rejects.toMatchObject({ message, exitCode: 78 })
  })
})

describe('the audit line', () => {
  test('names the client, its token and the reason', async () => {
    const service = await startWithTable()
    const get = (path: string, token?: string) => ask(service, path, token)

    await get('/secret/thedoctor', 'billing')
    await get('/secret/thedoctor', 'river')
    await get('/secret/orders-api', 'ops')
    await get('/secret/thedoctor', 'prometheus')
    await get('/secret/thedoctor', 'unknown')
    await get('/secret/thedoctor')

    const address = '127.0.0.1'
    const common = { codeName: 'thedoctor', address }
    await expect.poll(() => audited(service)).toHaveLength(6)
    const lines = audited(service)
    expect(lines).toMatchObject([
      { ...common, client: 'billing', token: prefix('billing'), status: 200, cache: 'secret-bus; hit' },
      {
        ...common,
        client: 'river',
        token: prefix('river'),
        status: 404,
        reason: 'Secret "thedoctor" is outside of the scope of client river',
      },
      { client: 'ops', codeName: 'orders-api', status: 404, reason: 'Secret "orders-api" is private' },
      {
        ...common,
        client: 'prometheus',
        token: prefix('prometheus'),
        status: 403,
        reason: 'The client does not have the right secrets',
      },
      { ...common, status: 401, reason: 'Unknown token' },
      { ...common, status: 401, reason: 'Missing token' },
    ])
    for (const refused of lines.slice(-2)) expect(Object.keys(refused)).not.toContain('client')
  })
})

describe('the metrics', () => {
  test('count accesses and uses of tokens', async () => {
    const service = await startWithTable()
    await ask(service, '/secret', 'billing')
    await ask(service, '/secret/river', 'billing')
    await ask(service, '/secret/orders-api', 'billing')
    await ask(service, '/secret/invented', 'unknown')
    const metrics = async () => (await ask(service, '/metrics', 'prometheus')).body

    await expect.poll(metrics).toContain('secret_bus_secret_accesses_total{client="",code_name="other",status="401"} 1')

    const text = await metrics()
    for (const [code, status] of [
      ['thedoctor', 200],
      ['river', 404],
      ['orders-api', 404],
    ])
      expect(text).toContain(
        `secret_bus_secret_accesses_total{client="billing",code_name="${code}",status="${status}"} 1`,
      )
    expect(text).toContain(`secret_bus_token_uses_total{client="billing",token="${prefix('billing')}"} 3`)
    expect(text).toContain(`secret_bus_token_uses_total{client="shop",token="${prefix('shop')}"} 0`)
    expect(text).toContain('secret_bus_clients_stale_seconds 0')
    expect(text).not.toContain('invented')
  })
})

describe('a change of the clients in the table', () => {
  test('is in force on two instances, without a signal or a restart', async () => {
    const dynamodb = await table(usual)
    const args = ['--dynamodb-endpoint', dynamodb.endpoint, '--clients-secret', 'clients', '--cache-ttl', '1s']
    const instances = [startTestService(args, credentials), startTestService(args, credentials)]
    const origins = await Promise.all(instances.map((instance) => instance.address()))
    const statuses = (token: string) =>
      Promise.all(origins.map(async (origin) => (await ask({ origin: () => origin }, '/secret', token)).status))
    await expect.poll(() => statuses('billing'), { timeout: 10_000 }).toEqual([200, 200])
    expect(await statuses('new')).toEqual([401, 401])

    await dynamodb.putSecret('clients', document([{ name: 'new', secrets: ['thedoctor'] }]))

    await expect.poll(() => statuses('new'), { timeout: 10_000 }).toEqual([200, 200])
    expect(await statuses('billing')).toEqual([401, 401])
  })

  test('is refused if it is empty or invalid: the last good clients stay, with one warning', async () => {
    const service = await startWithTable({ 'cache-ttl': '1s' })
    const warnings = () =>
      service.logged().filter(({ level, msg }) => level === 40 && String(msg).includes('refresh of the clients'))
    const stale = async () =>
      Number(/^secret_bus_clients_stale_seconds (\S+)/m.exec((await ask(service, '/metrics', 'prometheus')).body)?.[1])

    await service.dynamodb.putSecret('clients', '{"clients": []}')

    await expect.poll(warnings, { timeout: 10_000 }).toMatchObject([
      {
        msg: 'Failed to run the refresh of the clients: Secret clients: clients: must be a list of at least one client',
      },
    ])
    expect((await ask(service, '/secret', 'billing')).status).toBe(200)
    await expect.poll(stale).toBeGreaterThan(0)

    await service.dynamodb.putSecret('clients', document([{ name: 'prometheus', may: ['metrics'] }]))
    await service.bus.graceful().catch(() => {}) // the secret `absent` fails
    expect((await ask(service, '/secret', 'billing')).status).toBe(401)
    expect(await stale()).toBe(0)
    expect(warnings()).toHaveLength(1)
  })
})

describe('without a good document in the table,', () => {
  test.each([
    ['is missing', undefined],
    ['is invalid', '{"clients": [{"name": "classified"}]}'],
  ])('the service starts, is not ready and rejects all requests, until it is usable: it %s', async (_, text) => {
    const dynamodb = await startDynamodb()
    onTestFinished(dynamodb.close)
    await dynamodb.putSecret('thedoctor', 'run')
    if (text !== undefined) await dynamodb.putSecret('clients', text)
    const service = await assembleService({
      'dynamodb-endpoint': dynamodb.endpoint,
      'clients-secret': 'clients',
      'cache-ttl': '1s',
      'negative-ttl': '10ms',
    })
    await service.bus.start()
    const ready = async () => (await ask(service, '/ready')).status
    const failed = () =>
      service.logged().some(({ msg }) => /Failed to run the refresh of the clients/.test(String(msg)))

    await expect.poll(failed).toBe(true)
    expect(await ready()).toBe(503)
    for (const token of [undefined, 'billing', 'classified'])
      expect((await ask(service, '/secret', token)).status).toBe(401)
    expect((await ask(service, '/-/reload', undefined, 'POST')).status).toBe(401)

    await dynamodb.putSecret('clients', document(usual))
    await service.bus.graceful()

    expect(await ready()).toBe(200)
    expect((await ask(service, '/secret', 'billing')).status).toBe(200)
  })
})

describe('a document in a file or a variable', () => {
  test('identifies the clients of the file, and of its next version', async () => {
    const file = await temporaryFile(`\uFEFF${document(named)}`)
    const service = await start({ embedded: 'true', clients: file, 'watch-files': '20ms' })
    const statusOf = async (token: string) => (await ask(service, '/any', token)).status
    expect([await statusOf('billing'), await statusOf('new')]).toEqual([200, 401])

    await writeFile(file, document([{ name: 'new' }]))

    await expect.poll(() => statusOf('new')).toBe(200)
    expect(await statusOf('billing')).toBe(401)
  })

  test('identifies the clients of the variable', async () => {
    const service = await start({ embedded: 'true' }, { SECRET_BUS_CLIENTS: document(named) })

    expect((await ask(service, '/secret', 'billing')).status).toBe(200)
    expect((await ask(service, '/secret', 'nobody')).status).toBe(401)
  })

  test('fails the start if it is invalid, without quoting it', async () => {
    const invalid = JSON.stringify({ clients: [{ name: 'x', tokens: ['classified token'] }] })
    const file = await temporaryFile(invalid)
    const problem = 'clients[0].tokens[0]: must be sha256: and the 64 hexadecimal digits of the hash of a bearer token'
    const outcomes = [
      [startTestService(['--embedded', '--clients', file]), 78, `--clients ${file}: ${problem}`],
      [startTestService(['--embedded'], { SECRET_BUS_CLIENTS: invalid }), 64, `SECRET_BUS_CLIENTS: ${problem}`],
    ] as const

    for (const [service, code, message] of outcomes) {
      expect(await service.exited).toBe(code)
      const output = [...service.stdout, ...service.stderr].join('\n')
      expect(output).toContain(message)
      expect(output).not.toContain('classified')
      expect(output).not.toContain('Listening')
    }
  })
})

describe('the options', () => {
  const text = document(named)

  test.each([
    [{ clients: '/x', 'auth-token-file': '/y' }, {}, '--auth-token-file and --clients are mutually exclusive'],
    [{ clients: '/x' }, { SECRET_BUS_CLIENTS: text }, '--clients and SECRET_BUS_CLIENTS are mutually exclusive'],
    [{ clients: '/x' }, { SECRET_BUS_AUTH_TOKEN: 'y' }, 'SECRET_BUS_AUTH_TOKEN and --clients are mutually exclusive'],
    [
      {},
      { SECRET_BUS_AUTH_TOKEN: 'y', SECRET_BUS_CLIENTS: text },
      'SECRET_BUS_AUTH_TOKEN and SECRET_BUS_CLIENTS are mutually exclusive',
    ],
    [{ 'clients-secret': 'x', clients: '/x' }, {}, '--clients-secret and --clients are mutually exclusive'],
    [
      { 'clients-secret': 'x' },
      { SECRET_BUS_CLIENTS: text },
      '--clients-secret and SECRET_BUS_CLIENTS are mutually exclusive',
    ],
    [
      { 'clients-secret': 'x', 'auth-token-file': '/x' },
      {},
      '--clients-secret and --auth-token-file are mutually exclusive',
    ],
    [
      { 'clients-secret': 'x' },
      { SECRET_BUS_AUTH_TOKEN: 'y' },
      '--clients-secret and SECRET_BUS_AUTH_TOKEN are mutually exclusive',
    ],
    [
      { 'private-code-name': 'thedoctor' },
      {},
      '--code-name must not name a private secret, received thedoctor, which --private-code-name or --clients-secret names',
    ],
    [
      { 'clients-secret': 'river', 'code-name': ['thedoctor', 'river'] },
      {},
      '--code-name must not name a private secret, received river, which --private-code-name or --clients-secret names',
    ],
  ])('%o with %o are rejected', async (flags: Record<string, string | string[]>, environment, message) => {
    await expect(assembleService(flags, environment as Record<string, string>)).rejects.toMatchObject({
      message,
      exitCode: 64,
    })
  })
})
