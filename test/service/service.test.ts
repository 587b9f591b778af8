import { text } from 'node:stream/consumers'
import { Agent, request } from 'undici'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { lifecycle } from '../../src/bus/process/lifecycle.ts'
import type { ProcessBus } from '../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../src/channels.ts'
import { credentials, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { startFaultyServer } from '../support/http/faulty-server.ts'
import { fetchReply, RawConnection } from '../support/http/http.ts'
import { assembleService, ownPackage } from '../support/service/assemble-service.ts'

beforeEach(() => {
  for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
})

afterEach(() => {
  vi.unstubAllEnvs()
})

function handlersOf(bus: ProcessBus) {
  return Object.fromEntries(bus.topology().map(({ channel, handlers }) => [channel, handlers.map(({ name }) => name)]))
}

describe('assembly', () => {
  test('wires the built-in subscribers in this order', async () => {
    const { bus } = await assembleService()

    expect(handlersOf(bus)).toMatchObject({
      'lifecycle.log': ['trace-context', 'log'],
      'lifecycle.start': ['signals', 'no-authentication', 'dynamodb', 'http-server'],
      'lifecycle.stop': ['http-server', 'secret-cache', 'dynamodb'],
      'lifecycle.graceful': ['credentials', 'secret-cache', 'http-server'],
      'lifecycle.exit': ['signals'],
      'identity.get': ['identity'],
      'secret.get': ['secret-cache'],
      'secret.fetch': ['dynamodb'],
      'dynamodb.locate': [],
      'health.check': ['http-server', 'secret-cache'],
      'metrics.collect': ['bus-metrics', 'load-shedding', 'health-routes', 'secret-cache', 'access-metrics'],
      'http.routes': [
        'docs',
        'trace-context',
        'metrics-routes',
        'load-shedding',
        'authentication',
        'no-authentication',
        'bus-metrics',
        'admin-routes',
        'health-routes',
        'secret-routes',
      ],
      'http.listening': [],
    })
  })

  test('adds authentication and the reload route if a token is configured', async () => {
    const { bus } = await assembleService({ 'auth-token-file': '/some/file' })

    expect(handlersOf(bus)).toMatchObject({
      'client.identify': ['clients'],
      'lifecycle.graceful': ['clients', 'credentials', 'secret-cache', 'http-server'],
      'http.routes': [
        'docs',
        'trace-context',
        'metrics-routes',
        'load-shedding',
        'authentication',
        'no-authentication',
        'bus-metrics',
        'admin-routes',
        'health-routes',
        'secret-routes',
      ],
    })
  })

  test('starts an embedded DynamoDB first and stops it last', async () => {
    const { bus } = await assembleService({ embedded: 'true' })

    expect(handlersOf(bus)).toMatchObject({
      'lifecycle.start': ['signals', 'no-authentication', 'embedded-dynamodb', 'dynamodb', 'http-server'],
      'lifecycle.stop': ['http-server', 'secret-cache', 'dynamodb', 'embedded-dynamodb'],
      'dynamodb.locate': ['embedded-dynamodb'],
    })
  })

  test('runs nothing before the start', async () => {
    const { bus, lines } = await assembleService({ embedded: 'true' })

    expect(bus.state).toBe('STOPPED')
    expect(lines).toEqual([])
  })
})

describe('the service', () => {
  test('keeps idle connections open as long as configured', async () => {
    const { bus, origin } = await assembleService({ 'keep-alive-timeout': '4000s' })
    await bus.start()
    const connection = await RawConnection.open(Number(new URL(origin()).port))

    connection.send('GET /health HTTP/1.1', 'host: x')

    expect((await connection.reply()).headers).toMatchObject({ 'keep-alive': 'timeout=4000' })
  })

  test('serves a secret from an embedded DynamoDB, its health and its readiness', async () => {
    const { bus, origin } = await assembleService({ embedded: 'true' })

    await bus.start()

    expect(await fetchReply(`${origin()}/secret`)).toMatchObject({
      status: 200,
      body: '{"secret_code":"the secret of thedoctor"}',
    })
    expect(await fetchReply(`${origin()}/health`)).toMatchObject({
      status: 200,
      body: `{"status":"healthy","container":"${ownPackage.container}","project":"${ownPackage.homepage}"}`,
    })
    expect(await fetchReply(`${origin()}/ready`)).toMatchObject({ status: 200 })
  })

  test('shows the container and project of the options in its health', async () => {
    const { bus, origin } = await assembleService({ embedded: 'true', container: 'my-image', project: 'my-project' })

    await bus.start()

    expect((await fetchReply(`${origin()}/health`)).body).toBe(
      '{"status":"healthy","container":"my-image","project":"my-project"}',
    )
  })

  test('logs JSON lines without the secret', async () => {
    const { bus, origin, lines, logged } = await assembleService({ embedded: 'true', 'log-level': 'trace' })
    await bus.start()

    await fetchReply(`${origin()}/secret`, { headers: { 'x-request-id': 'request-1' } })

    await expect.poll(logged).toContainEqual(expect.objectContaining({ msg: 'Secret accessed', reqId: 'request-1' }))
    expect(lines.join('')).not.toContain('the secret of')
  })

  test('logs that the table is missing, but does not reveal it to clients', async () => {
    const { endpoint, close } = await startDynamodb({ withTable: false })
    onTestFinished(close)
    const { bus, origin, logged } = await assembleService({ 'dynamodb-endpoint': endpoint })
    await bus.start()

    const { status, headers, body } = await fetchReply(`${origin()}/secret`)

    expect(status).toBe(502)
    expect(headers).toHaveProperty('retry-after')
    expect(JSON.parse(body)).toMatchObject({ type: 'urn:secret-bus:problem:source-refused' })
    expect(body).not.toMatch(/ResourceNotFound|dynamo|aws/i)
    expect(logged()).toContainEqual(
      expect.objectContaining({ level: 40, msg: expect.stringContaining('ResourceNotFoundException') }),
    )
    expect((await fetchReply(`${origin()}/ready`)).status).toBe(503)
  })

  test('reads DynamoDB once for any number of concurrent requests with an empty cache', async () => {
    const clients = 2_000
    const table = await startDynamodb()
    onTestFinished(table.close)
    await table.putSecret('thedoctor', 'run')
    const { promise: allArrived, resolve: release } = Promise.withResolvers<void>()
    // Delays the response until every request has arrived.
    const slowTable = await startFaultyServer(async (incoming, response) => {
      const { host: _, ...headers } = incoming.headers
      const body = await text(incoming)
      await allArrived
      const answer = await request(table.endpoint, { method: 'POST', headers, body })
      response.writeHead(answer.statusCode, answer.headers).end(await answer.body.text())
    })
    const { bus, origin } = await assembleService({
      'dynamodb-endpoint': slowTable.endpoint,
      'request-timeout': '1m',
      'fetch-timeout': '1m',
      without: 'load-shedding', // the clients share this process and may overload it
    })
    let arrived = 0
    bus.subscribe(httpRoutes, (app) => {
      app.addHook('onRequest', async () => {
        arrived += 1
        if (arrived === clients) release()
      })
    })
    await bus.start()
    const url = `${origin()}/secret`
    const dispatcher = new Agent({ connections: clients, pipelining: 1 })
    onTestFinished(() => dispatcher.destroy())

    const replies = await Promise.all(
      Array.from({ length: clients }, async () => {
        const { statusCode, body } = await request(url, { dispatcher })
        return `${statusCode} ${await body.text()}`
      }),
    )

    expect(replies).toHaveLength(clients)
    expect(new Set(replies)).toEqual(new Set(['200 {"secret_code":"run"}']))
    expect(table.reads).toHaveLength(1)
  })
})

describe('shutting down', () => {
  test('takes at most the sum of the drain and the shutdown timeout', async () => {
    const { bus, logged } = await assembleService({ embedded: 'true', drain: '50ms', 'shutdown-timeout': '100ms' })
    await bus.start()
    bus.subscribe(lifecycle.stop, () => new Promise(() => {}), { name: 'hanging', priority: 0 })

    expect(await bus.exit()).toBe(70)

    expect(logged()).toContainEqual(
      expect.objectContaining({ level: 50, msg: expect.stringMatching(/^hanging failed.* 150 ms/) }),
    )
  })

  test('exits cleanly after a drain that is longer than the shutdown timeout', async () => {
    const { bus } = await assembleService({ embedded: 'true', drain: '600ms', 'shutdown-timeout': '500ms' })
    await bus.start()

    expect(await bus.exit()).toBe(0)
  })

  test('releases all resources and signal handlers', async () => {
    const before = process.listenerCount('SIGTERM')
    const { bus, origin } = await assembleService({ embedded: 'true' })
    await bus.start()
    await fetchReply(`${origin()}/secret`)

    expect(await bus.exit()).toBe(0)

    expect(process.listenerCount('SIGTERM')).toBe(before)
    await expect(fetch(`${origin()}/health`)).rejects.toThrow()
    const open = () => process.getActiveResourcesInfo().filter((resource) => resource === 'TCPServerWrap')
    await expect.poll(open).toEqual([])
  })
})
