/** Compares docs/openapi.json with the service, and reproduces every documented example. */
import type { FastifyInstance } from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import { request } from '../../src/bus/channel.ts'
import { lifecycle } from '../../src/bus/process/lifecycle.ts'
import type { Subscriber } from '../../src/bus/process/process-bus.ts'
import { fetchSecret, getSecret, httpRoutes } from '../../src/channels.ts'
import { loadShedding } from '../../src/handlers/guards/load-shedding.ts'
import { exampleId } from '../../src/handlers/openapi/components.ts'
import { defaultLimits } from '../../src/handlers/server/limits.ts'
import { SecretNotFound, Sensitive, SourceFailure, type SourceFailureCode } from '../../src/secret.ts'
import { fakeProvider } from '../../src/testing/fakes.ts'
import { startService as start } from '../../src/testing/service.ts'
import {
  fetchReply,
  type HttpService,
  parseProblem,
  RawConnection,
  type RawReply,
  startHttp,
} from '../support/http/http.ts'
import {
  type DocumentedOperation,
  document,
  documentFile,
  exampleKeys,
  expectExample,
  expectHeader,
  operations,
} from '../support/project/documented-api.ts'
import { temporaryFile } from '../support/temporary-file.ts'

const token = 'let-me-in'
const headers = { authorization: `Bearer ${token}`, 'x-request-id': exampleId }

/** Starts the whole service with authentication. It stops at the end of the test. */
async function startService(subscribers: Record<string, Subscriber>, without: string[], flags = {}, client?: object) {
  const clients = client
    ? { clients: await temporaryFile(JSON.stringify({ clients: [{ name: 'x', tokens: [token], ...client }] })) }
    : { 'auth-token-file': await temporaryFile(token) }
  const service = await start(subscribers, { ...clients, without, ...flags })
  onTestFinished(async () => {
    await service.stop()
  })
  return service
}

const source = fakeProvider(fetchSecret, ({ codeName }) => ({
  codeName,
  value: new Sensitive('run'),
}))

const failing = (error: Error) => fakeProvider(fetchSecret, () => Promise.reject(error))

/** Fails requests that have the header `x-fail`. */
const faulty: Subscriber = (bus) => {
  bus.subscribe(httpRoutes, (app) => {
    app.addHook('onRequest', async ({ headers }) => {
      if (headers['x-fail']) throw new Error('oops')
    })
  })
}

async function waitForStatus({ origin }: HttpService, status: string) {
  await expect.poll(async () => JSON.parse((await fetchReply(`${origin}/ready`)).body)).toMatchObject({ status })
}

/** Starts a service with a source, and waits until it is ready. */
async function startReady() {
  const service = await startService({ source, faulty }, ['dynamodb'])
  await waitForStatus(service, 'pass')
  return service
}

/** Starts a service whose source fails after it has been ready, and waits until the secret is stale. */
async function startStale() {
  let isFailing = false
  const failingLater = fakeProvider(fetchSecret, ({ codeName }) => {
    if (isFailing) throw new SourceFailure('SOURCE_UNAVAILABLE', 'x')
    return { codeName, value: new Sensitive('run') }
  })
  const flags = { 'cache-ttl': '1ms', 'min-refresh-interval': '1ms' }
  const service = await startService({ source: failingLater }, ['dynamodb'], flags)
  await waitForStatus(service, 'pass')
  isFailing = true
  await waitForStatus(service, 'warn')
  return service
}

/** Starts a service that keeps shutting down until the end of the test. */
async function startExiting() {
  const service = await startReady()
  const { promise: testFinished, resolve } = Promise.withResolvers<void>()
  service.bus.subscribe(lifecycle.stop, () => testFinished, { priority: 0 })
  onTestFinished(() => resolve())
  void service.bus.exit()
  return service
}

/** Replaces the cache with a provider whose own request times out. */
const hanging: Subscriber = (bus) => {
  const getNothing = request<void, never>('nothing.get', { timeout: 1 })
  bus.provide(getNothing, () => new Promise<never>(() => {}))
  bus.provide(getSecret, (_query, { id }) => bus.request(getNothing, undefined, id === undefined ? {} : { id }))
}

type Ask = (service: HttpService, operation: DocumentedOperation) => Promise<RawReply>

const asking =
  (more: RequestInit & { headers?: Record<string, string> } = {}): Ask =>
  ({ origin }, { method, path }) =>
    fetchReply(`${origin}${path}`, { method, ...more, headers: { ...headers, ...more.headers } })

const withoutToken: Ask = ({ origin }, { method, path }) =>
  fetchReply(`${origin}${path}`, { method, headers: { 'x-request-id': exampleId } })

/** Sends headers that `fetch` does not allow. */
const sending =
  (...lines: string[]): Ask =>
  async ({ port }, { method, path }) => {
    const connection = await RawConnection.open(port)
    const given = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
    connection.send(`${method} ${path} HTTP/1.1`, 'connection: close', ...given, ...lines)
    return connection.reply()
  }

const every = operations.map(({ operationId }) => operationId)
const authenticated = operations.filter(({ security }) => security?.length !== 0).map(({ operationId }) => operationId)
const secrets = ['getSecret', 'getSecretByCodeName']

const ofEach = (operationIds: readonly string[], reply: string, ask: Ask) =>
  operationIds.map((operationId) => [`${operationId} ${reply}`, ask] as const)

interface Scenario {
  readonly scenario: string
  readonly start: () => Promise<HttpService>
  /** Requests in this order, with the key of the expected example. */
  readonly replies: readonly (readonly [key: string, ask: Ask])[]
}

const withFailure = (failure: SourceFailureCode, reply: string): Scenario => ({
  scenario: `a source that fails with ${failure}`,
  start: () => startService({ source: failing(new SourceFailure(failure, 'x')) }, ['dynamodb']),
  replies: ofEach(secrets, reply, asking()),
})

const scenarios: readonly Scenario[] = [
  {
    scenario: 'a healthy service',
    start: startReady,
    replies: [
      ['getSecret 200 secret', asking()],
      ['getMetrics 200 state', asking()],
      ['getSecretByCodeName 200 secret', asking()],
      ['getHealth 200 healthy', asking()],
      ['getReadiness 200 ready', asking()],
      ['reload 200 reloaded', asking()],
      ['getOpenApi 200 document', asking()],
      ...ofEach(every, '500 internal-server-error', asking({ headers: { 'x-fail': 'please' } })),
    ],
  },
  {
    scenario: 'invalid requests',
    start: startReady,
    replies: [
      ...ofEach(every, '400 bad-request', sending()),
      ...ofEach(every, '413 payload-too-large', sending('host: x', 'content-length: 99999')),
      ...ofEach(authenticated, '401 unauthorized', withoutToken),
      [
        'getSecretByCodeName 414 uri-too-long',
        (service, operation) => asking()(service, { ...operation, path: `/secret/${'x'.repeat(2_049)}` }),
      ],
      ['reload 415 unsupported-media-type', asking({ body: 'x', headers: { 'content-type': 'nonsense' } })],
    ],
  },
  {
    scenario: 'a client without rights',
    start: () => startService({ source }, ['dynamodb'], {}, { may: ['inspector'] }),
    replies: ofEach(authenticated, '403 forbidden', asking()),
  },
  {
    scenario: 'a client that exceeds its rate',
    start: async () => {
      const service = await startService({ source }, ['dynamodb'], {}, { rate: 0.5 })
      await fetchReply(`${service.origin}/secret`, { headers })
      return service
    },
    replies: ofEach(authenticated, '429 rate-limited', asking()),
  },
  {
    scenario: 'a source without the secret',
    start: () => startService({ source: failing(new SecretNotFound('thedoctor')) }, ['dynamodb']),
    replies: ofEach(secrets, '404 secret-not-found', asking()),
  },
  {
    scenario: 'an unreachable source',
    start: () => startService({ source: failing(new SourceFailure('SOURCE_UNAVAILABLE', 'x')) }, ['dynamodb']),
    replies: [
      ...ofEach(secrets, '502 source-unavailable', asking()),
      ['getReadiness 503 starting', asking()],
      ['reload 500 reload-failed', asking()],
    ],
  },
  withFailure('SOURCE_REFUSED', '502 source-refused'),
  withFailure('SOURCE_STARTING', '503 starting'),
  withFailure('SOURCE_THROTTLED', '503 source-throttled'),
  withFailure('SOURCE_TIMEOUT', '504 source-timeout'),
  {
    scenario: 'a bus request that times out',
    start: () => startService({ hanging }, ['dynamodb', 'secret-cache']),
    replies: ofEach(secrets, '504 timeout', asking()),
  },
  {
    scenario: 'a cache without the secret',
    start: () => startService({ source: failing(new SourceFailure('SOURCE_UNAVAILABLE', 'x')) }, ['dynamodb']),
    replies: ofEach(secrets, '504 not-cached', asking({ headers: { 'cache-control': 'only-if-cached' } })),
  },
  {
    scenario: 'a stale secret',
    start: startStale,
    replies: [['getReadiness 200 stale', asking()]],
  },
  {
    scenario: 'an overloaded service',
    start: () =>
      startService({ source, 'fewer-requests': loadShedding({ ...defaultLimits, requests: 0 }) }, [
        'dynamodb',
        'load-shedding',
      ]),
    replies: ofEach(authenticated, '503 overloaded', asking()),
  },
  {
    scenario: 'a shutdown',
    start: startExiting,
    replies: [
      ['getReadiness 503 draining', asking()],
      ['reload 503 stopping', asking()],
    ],
  },
]

describe('the OpenAPI document', () => {
  test('matches docs/openapi.json; update with: npx vitest run test/service/openapi.test.ts -u', async () => {
    const { origin } = await startService({ source }, ['dynamodb'])

    const { body } = await fetchReply(`${origin}/openapi.json`, { headers })

    await expect(`${JSON.stringify(JSON.parse(body), undefined, 2)}\n`).toMatchFileSnapshot(documentFile)
  })

  test('contains every route except the HTML pages', async () => {
    const routes: string[] = []
    const watch: Subscriber = (bus) => {
      const addHook = (app: FastifyInstance) => {
        app.addHook('onRoute', ({ method, url }) => void routes.push(`${method} ${url}`))
      }
      bus.subscribe(httpRoutes, addHook, { priority: -1 })
    }

    await startService({ source, watch }, ['dynamodb'], { inspector: true })

    const others = routes.filter((route) => !/^HEAD |^GET \/docs|^GET \/-\/bus|^GET \/$/.test(route))
    const documented = operations.map(({ method, template }) => `${method} ${template}`)
    expect(others.map((route) => route.replace(/:(\w+)/, '{$1}')).toSorted()).toEqual(documented.toSorted())
  })

  test('has an example of each reply, and each is covered by a scenario below', () => {
    const keys = scenarios.flatMap(({ replies }) => replies.map(([key]) => key))

    expect(keys.toSorted()).toEqual(exampleKeys.toSorted())
  })

  test.for(scenarios)('matches the replies of $scenario', async ({ start, replies }) => {
    const service = await start()

    for (const [key, ask] of replies) {
      const [operationId] = key.split(' ')
      const operation = operations.find((one) => one.operationId === operationId)
      expectExample(key, await ask(service, operation as DocumentedOperation)) // the test above has compared the keys
    }
  })

  test('has valid examples of headers', () => {
    for (const [name, { example, examples = {} }] of Object.entries(document.components.headers)) {
      const values = [example, ...Object.values(examples).map(({ value }) => value)].filter(
        (value) => value !== undefined,
      )
      expect(values, name).not.toEqual([])
      for (const value of values) expectHeader(name, String(value))
    }
  })

  const get = (path: string, ...lines: string[]) => [`GET ${path} HTTP/1.1`, 'host: x', ...lines, '', ''].join('\r\n')

  test.for([
    ['is not HTTP', 400, 'garbage\r\n\r\n'],
    ['has a malformed path', 400, get('/%zz')],
    ['has an unknown path', 404, get('/nothing')],
    ['has an unsupported method', 405, get('/route').replace('GET', 'DELETE')],
    ['is incomplete', 408, 'GET / HTTP/1.1\r\n'],
    ['has an oversized head', 431, get('/', `x: ${'x'.repeat(20_000)}`)],
  ] as const)('describes the status of a request that %s: %i', async ([, status, sent]) => {
    const route: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, (app) => void app.get('/route', async () => 'response'))
    const { port } = await startHttp(
      { route },
      { limits: { headTimeout: 100, requestTimeout: 100, checkInterval: 20 } },
    )
    const connection = await RawConnection.open(port)

    connection.socket.write(sent)

    expect(parseProblem(await connection.reply())).toMatchObject({ status, type: 'about:blank' })
    expect(document.info.description).toMatch(new RegExp(`\\b${status}\\sfor\\s`))
  })
})
