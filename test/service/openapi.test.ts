/** docs/openapi.json is what the service says of itself, and it is so: each example of a reply is made to happen. */
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
import { ask, type HttpService, problemIn, RawConnection, type RawReply, startHttp } from '../support/http/http.ts'
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

/** The whole service behind a token, with these subscribers and without those; it is stopped when the test is finished. */
async function startService(subscribers: Record<string, Subscriber>, without: string[], flags = {}) {
  const service = await start(subscribers, { 'auth-token-file': await temporaryFile(token), without, ...flags })
  onTestFinished(async () => {
    await service.stop()
  })
  return service
}

const source = fakeProvider(fetchSecret, ({ codeName }) => ({
  codeName,
  value: new Sensitive('run'),
  fetchedAt: Date.now(),
}))

const failing = (error: Error) => fakeProvider(fetchSecret, () => Promise.reject(error))

/** Fails where a header says so. */
const faulty: Subscriber = (bus) => {
  bus.subscribe(httpRoutes, (app) => {
    app.addHook('onRequest', async ({ headers }) => {
      if (headers['x-fail']) throw new Error('as it was told to')
    })
  })
}

/** A service that has a source, once it is as ready as this. */
async function startReady(flags: Record<string, string>, status = 'pass') {
  const service = await startService({ source, faulty }, ['dynamodb'], flags)
  await expect.poll(async () => JSON.parse((await ask(`${service.origin}/ready`)).body)).toMatchObject({ status })
  return service
}

/** A service that was told to exit, and is kept from it as long as the test. */
async function startLeaving() {
  const service = await startReady({})
  const { promise: over, resolve } = Promise.withResolvers<void>()
  service.bus.subscribe(lifecycle.stop, () => over, { priority: 0 })
  onTestFinished(() => resolve())
  void service.bus.exit()
  return service
}

/** Has somebody else answer for the cache, who waits in vain. */
const waiting: Subscriber = (bus) => {
  const hear = request<void, never>('silence', { timeout: 1 })
  bus.provide(hear, () => new Promise<never>(() => {}))
  bus.provide(getSecret, (_query, { id }) => bus.request(hear, undefined, id === undefined ? {} : { id }))
}

type Ask = (service: HttpService, operation: DocumentedOperation) => Promise<RawReply>

const asking =
  (more: RequestInit & { headers?: Record<string, string> } = {}): Ask =>
  ({ origin }, { method, path }) =>
    ask(`${origin}${path}`, { method, ...more, headers: { ...headers, ...more.headers } })

const withoutToken: Ask = ({ origin }, { method, path }) =>
  ask(`${origin}${path}`, { method, headers: { 'x-request-id': exampleId } })

/** Sends what fetch would not. */
const sending =
  (...lines: string[]): Ask =>
  async ({ port }, { method, path }) => {
    const connection = await RawConnection.open(port)
    const given = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
    connection.send(`${method} ${path} HTTP/1.1`, 'connection: close', ...given, ...lines)
    return connection.reply()
  }

const every = operations.map(({ operationId }) => operationId)
const guarded = operations.filter(({ security }) => security === undefined).map(({ operationId }) => operationId)
const secrets = ['getSecret', 'getSecretByCodeName']

const ofEach = (operationIds: readonly string[], reply: string, ask: Ask) =>
  operationIds.map((operationId) => [`${operationId} ${reply}`, ask] as const)

interface Situation {
  readonly situation: string
  readonly start: () => Promise<HttpService>
  /** What is answered then, by the keys of examples, in this order. */
  readonly replies: readonly (readonly [key: string, ask: Ask])[]
}

const withFailure = (failure: SourceFailureCode, reply: string): Situation => ({
  situation: `a source that fails with ${failure}`,
  start: () => startService({ source: failing(new SourceFailure(failure, 'x')) }, ['dynamodb']),
  replies: ofEach(secrets, reply, asking()),
})

const situations: readonly Situation[] = [
  {
    situation: 'nothing that fails',
    start: () => startReady({}),
    replies: [
      ['getSecret 200 secret', asking()],
      ['getMetrics 200 readings', asking()], // one, so far
      ['getSecretByCodeName 200 secret', asking()],
      ['getHealth 200 healthy', asking()],
      ['getReadiness 200 ready', asking()],
      ['reload 200 reloaded', asking()],
      ['getOpenApi 200 document', asking()],
      ...ofEach(every, '500 internal-server-error', asking({ headers: { 'x-fail': 'please' } })),
    ],
  },
  {
    situation: 'requests that are at fault',
    start: () => startReady({}),
    replies: [
      ...ofEach(every, '400 bad-request', sending()),
      ...ofEach(every, '413 payload-too-large', sending('host: x', 'content-length: 99999')),
      ...ofEach(guarded, '401 unauthorized', withoutToken),
      [
        'getSecretByCodeName 414 uri-too-long',
        (service, operation) => asking()(service, { ...operation, path: `/secret/${'x'.repeat(2_049)}` }),
      ],
      ['reload 415 unsupported-media-type', asking({ body: 'x', headers: { 'content-type': 'nonsense' } })],
    ],
  },
  {
    situation: 'a source without the secret',
    start: () => startService({ source: failing(new SecretNotFound('thedoctor')) }, ['dynamodb']),
    replies: ofEach(secrets, '404 secret-not-found', asking()),
  },
  {
    situation: 'a source that cannot be reached',
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
    situation: 'a part that waits in vain',
    start: () => startService({ waiting }, ['dynamodb', 'secret-cache']),
    replies: ofEach(secrets, '504 timeout', asking()),
  },
  {
    situation: 'a value past its lifetime',
    start: () => startReady({ 'cache-ttl': '1ms' }, 'warn'),
    replies: [['getReadiness 200 stale', asking()]],
  },
  {
    situation: 'more requests than are served at a time',
    start: () =>
      startService({ source, 'fewer-requests': loadShedding({ ...defaultLimits, requests: 0 }) }, [
        'dynamodb',
        'load-shedding',
      ]),
    replies: ofEach(guarded, '503 overloaded', asking()),
  },
  {
    situation: 'an exit',
    start: startLeaving,
    replies: [
      ['getReadiness 503 draining', asking()],
      ['reload 503 stopping', asking()],
    ],
  },
]

describe('what the document says', () => {
  test('is what the service says; renew docs/openapi.json with: npx vitest run test/service/openapi.test.ts -u', async () => {
    const { origin } = await startService({ source }, ['dynamodb'])

    const { body } = await ask(`${origin}/openapi.json`, { headers })

    await expect(`${JSON.stringify(JSON.parse(body), undefined, 2)}\n`).toMatchFileSnapshot(documentFile)
  })

  test('is of every route but the pages for people', async () => {
    const routes: string[] = []
    const watch: Subscriber = (bus) => {
      const addHook = (app: FastifyInstance) => {
        app.addHook('onRoute', ({ method, url }) => void routes.push(`${method} ${url}`))
      }
      bus.subscribe(httpRoutes, addHook, { priority: -1 })
    }

    await startService({ source, watch }, ['dynamodb'], { inspector: true })

    const others = routes.filter((route) => !/^HEAD |^GET \/docs|^GET \/-\/bus/.test(route))
    const documented = operations.map(({ method, template }) => `${method} ${template}`)
    expect(others.map((route) => route.replace(/:(\w+)/, '{$1}')).toSorted()).toEqual(documented.toSorted())
  })

  test('has an example of each reply, and each of them happens in one of the situations below', () => {
    const keys = situations.flatMap(({ replies }) => replies.map(([key]) => key))

    expect(keys.toSorted()).toEqual(exampleKeys.toSorted())
  })

  test.for(situations)('happens, with $situation', async ({ start, replies }) => {
    const service = await start()

    for (const [key, ask] of replies) {
      const [operationId] = key.split(' ')
      const operation = operations.find((one) => one.operationId === operationId)
      expectExample(key, await ask(service, operation as DocumentedOperation)) // the test above has compared the keys
    }
  })

  test('of headers has examples that are of their form', () => {
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
    ['is no HTTP', 400, 'garbage\r\n\r\n'],
    ['has no path', 400, get('/%zz')],
    ['has a path where nothing is', 404, get('/nothing')],
    ['has a method that nothing answers', 404, get('/secret').replace('GET', 'DELETE')],
    ['does not come whole', 408, 'GET / HTTP/1.1\r\n'],
    ['has too long a head', 431, get('/', `x: ${'x'.repeat(20_000)}`)],
  ] as const)('of what comes to no operation since it %s has the status, which is %i', async ([, status, sent]) => {
    const { port } = await startHttp({}, { limits: { headTimeout: 100, requestTimeout: 100, checkInterval: 20 } })
    const connection = await RawConnection.open(port)

    connection.socket.write(sent)

    expect(problemIn(await connection.reply())).toMatchObject({ status, type: 'about:blank' })
    expect(document.info.description).toMatch(new RegExp(`\\b${status}\\sfor\\s`))
  })
})
