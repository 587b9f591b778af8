import { createServer } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { event, request } from '../../src/bus/channel.ts'
import { ProcessBus, type Subscriber } from '../../src/bus/process/process-bus.ts'
import { serviceInfo } from '../../src/bus/process/service-info.ts'
import { fetchSecret, httpRoutes } from '../../src/channels.ts'
import { diagnostics } from '../../src/diagnostics.ts'
import { callOf } from '../../src/handlers/trace-context.ts'
import { Sensitive, SourceFailure } from '../../src/secret.ts'
import { upstream } from '../../src/sources/upstream/upstream.ts'
import { startTracing } from '../../src/tracing/start.ts'
import { listen } from '../support/http/listen.ts'
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver, treeOf } from '../support/otlp-receiver.ts'
import { ownPackage } from '../support/service/assemble-service.ts'
import { startTracedService } from '../support/service/traced-service.ts'

const traceId = 'a'.repeat(32)
const spanId = 'b'.repeat(16)
const sampled = { traceparent: `00-${traceId}-${spanId}-01` }
const unsampled = { traceparent: `00-${traceId}-${spanId}-00` }

/** A source of secrets that the test answers. */
class ControlledSource {
  reads = 0
  answer: () => Promise<string> = async () => 'first'

  readonly subscriber: Subscriber = (bus) => {
    bus.provide(fetchSecret, async ({ codeName }) => {
      this.reads += 1
      return { codeName, value: new Sensitive(await this.answer()) }
    })
  }
}

const rootOf = (spans: readonly ReceivedSpan[], path: string) =>
  spans.findLast(({ kind, attributes }) => kind === 'SERVER' && attributes['url.path'] === path)

describe('a service with DynamoDB', () => {
  test('exports the tree of a cold and of a warm request, and of a refresh', async () => {
    const receiver = await startOtlpReceiver()
    const { origin, bus, logged } = await startTracedService(receiver, { 'min-refresh-interval': '1ms' })

    await fetch(`${origin}/secret/thedoctor?token=x`, { headers: { ...sampled, 'cache-control': 'max-age=0' } })
    await fetch(`${origin}/secret`, {
      headers: { traceparent: `00-${'c'.repeat(32)}-${spanId}-01`, tracestate: 'v=1' },
    })
    await fetch(`${origin}/secret/nobody`)
    await fetch(`${origin}/nowhere`, { method: 'PROPFIND' })
    await bus.exit()

    const { spans } = receiver
    const cold = spans.filter((span) => span.traceId === traceId)
    expect(treeOf(cold, spanId)).toEqual([
      'SERVER GET /secret/:codeName',
      '  INTERNAL secret.get',
      '    INTERNAL secret.fetch',
      '      CLIENT GetItem',
    ])
    const [server, get, fetched, attempt] = ['GET /secret/:codeName', 'secret.get', 'secret.fetch', 'GetItem'].map(
      (name) => cold.find((span) => span.name === name),
    )
    const { port } = new URL(origin)
    expect(server?.attributes).toEqual({
      'http.request.method': 'GET',
      'url.scheme': 'http',
      'url.path': '/secret/thedoctor',
      'http.route': '/secret/:codeName',
      'network.protocol.version': '1.1',
      'server.address': '127.0.0.1',
      'server.port': Number(port),
      'client.address': '127.0.0.1',
      'http.response.status_code': 200,
    })
    expect(get?.attributes).toEqual({
      'bus.channel': 'secret.get',
      'bus.kind': 'request',
      'bus.handler': 'secret-cache',
    })
    expect(attempt?.attributes).toEqual({
      'db.system.name': 'aws.dynamodb',
      'db.operation.name': 'GetItem',
      'aws.dynamodb.table_names': ['devops-challenge'],
      'server.address': '127.0.0.1',
      'server.port': expect.any(Number),
      'http.response.status_code': 200,
      'aws.request_id': expect.any(String),
    })
    for (const [inner, outer] of [
      [get, server],
      [fetched, get],
      [attempt, fetched],
    ])
      expect(inner && outer && outer.start <= inner.start && inner.end <= outer.end).toBe(true)
    expect(server?.resource).toMatchObject({ 'service.name': 'secret-bus', 'service.version': '1.2.3' })

    const warm = spans.filter((span) => span.traceId === 'c'.repeat(32))
    expect(treeOf(warm, spanId)).toEqual(['SERVER GET /secret'])
    expect(warm[0]?.traceState).toBe('v=1')

    const refresh = spans.find(({ name }) => name === 'load secret')
    expect(treeOf(spans.filter((span) => span.traceId === refresh?.traceId))).toEqual([
      'INTERNAL load secret',
      '  INTERNAL secret.fetch',
      '    CLIENT GetItem',
    ])
    expect(refresh?.attributes).toEqual({ 'cache.key': 'thedoctor' })

    // Without `traceparent`, the log has the trace that is exported.
    const notFound = rootOf(spans, '/secret/nobody')
    expect(notFound).toMatchObject({ isError: false, attributes: { 'http.response.status_code': 404 } })
    expect(logged().find(({ status }) => status === 404)?.['trace_id']).toBe(notFound?.traceId)

    expect(spans.find(({ name }) => name === 'HTTP')?.attributes).toEqual(
      expect.objectContaining({ 'http.request.method': '_OTHER', 'http.request.method_original': 'PROPFIND' }),
    )
    expect(receiver.bodies.join()).not.toMatch(/token=x|nowhere/)
  })
})

test('each attempt to read from DynamoDB has a span', async () => {
  const receiver = await startOtlpReceiver()
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, 'test')
  onTestFinished(() => void vi.unstubAllEnvs())
  let attempts = 0
  const dynamodb = await listen(
    createServer((_request, response) => {
      attempts += 1
      response.writeHead(attempts === 1 ? 500 : 200, { 'content-type': 'application/x-amz-json-1.0' })
      response.end(attempts === 1 ? '{}' : '{"Item":{"secret_code":{"S":"x"}}}')
    }),
  )
  onTestFinished(dynamodb.close)
  const flags = { embedded: 'false', region: 'eu-central-1', 'dynamodb-endpoint': dynamodb.endpoint }
  const { bus } = await startTracedService(receiver, flags)
  await bus.exit()

  const spans = receiver.spans.filter(({ name }) => name === 'GetItem')
  expect(spans.map(({ isError, attributes }) => [isError, attributes['http.response.status_code']])).toEqual([
    [true, 500],
    [false, 200],
  ])
  expect(spans.map(({ attributes }) => attributes['http.request.resend_count'])).toEqual([undefined, 1])
})

describe('a service with another source', () => {
  async function start(
    receiver: OtlpReceiver,
    variables: Record<string, string> = {},
    plugin: Subscriber = () => {},
    options: Record<string, string> = { 'min-refresh-interval': '1ms' },
  ) {
    const source = new ControlledSource()
    const plugins = { source: source.subscriber, plugin }
    const flags = { without: 'dynamodb', embedded: 'false', ...options }
    const service = await startTracedService(receiver, flags, variables, plugins)
    /** Sends a request that needs a read. */
    const demand = (headers: Record<string, string>) =>
      fetch(`${service.origin}/secret`, { headers: { ...headers, 'cache-control': 'max-age=0' } })
    return { ...service, source, demand }
  }

  test('links the requests that join a read to it', async () => {
    const receiver = await startOtlpReceiver()
    const { source, demand, bus } = await start(receiver, {}, undefined, { 'cache-ttl': '0' })
    let joins = 0
    const count = () => {
      joins += 1
    }
    onTestFinished(diagnostics.cacheJoin.subscribe(count))
    const answer = Promise.withResolvers<string>()
    source.answer = () => answer.promise

    const replies = ['c', 'd', 'e'].map((digit) => demand({ traceparent: `00-${digit.repeat(32)}-${spanId}-01` }))
    await expect.poll(() => joins).toBe(2)
    answer.resolve('second')
    await Promise.all(replies)
    await bus.exit()

    const spans = receiver.spans.filter((span) => /^(c|d|e)+$/.test(span.traceId))
    const fetched = spans.filter(({ name }) => name === 'secret.fetch')
    expect(fetched).toHaveLength(1)
    const joined = spans.filter((span) => span.name === 'secret.get' && span.traceId !== fetched[0]?.traceId)
    expect(joined.map(({ links }) => links)).toEqual([[fetched[0]?.spanId], [fetched[0]?.spanId]])
  })

  test('marks what failed with the code of the error, without its message', async () => {
    const receiver = await startOtlpReceiver()
    const { source, demand, bus } = await start(receiver)
    source.answer = () => Promise.reject(new SourceFailure('SOURCE_REFUSED', 'hidden'))
    expect((await demand(sampled)).status).toBe(502)
    await bus.exit()

    const spans = receiver.spans.filter((span) => span.traceId === traceId)
    expect(treeOf(spans, spanId)).toEqual([
      'SERVER GET /secret (error)',
      '  INTERNAL secret.get (error)',
      '    INTERNAL secret.fetch (error)',
    ])
    expect(spans.map(({ attributes }) => attributes['error.type'])).toEqual(Array(3).fill('SOURCE_REFUSED'))
    expect(receiver.bodies.join()).not.toContain('hidden')
  })

  test('gives plugins the active span, nests their spans, and passes the trace on', async () => {
    const receiver = await startOtlpReceiver()
    const received: unknown[] = []
    const api = await listen(
      createServer((request, response) => {
        received.push(request.headers['traceparent'])
        response.end('{}')
      }),
    )
    onTestFinished(api.close)
    const client = upstream({ origin: api.endpoint })
    onTestFinished(client.close)
    const work = request<void, string>('work')
    const active: unknown[] = []
    const { bus, origin } = await start(receiver, {}, (own) => {
      const tracer = trace.getTracer('plugin')
      own.provide(work, async (_, call) => {
        active.push(trace.getActiveSpan()?.spanContext().spanId)
        await client.request('/prices', { query: { token: 'hidden' }, call })
        return 'done'
      })
      own.subscribe(httpRoutes, (app) => {
        app.post('/work', async (request) =>
          tracer.startActiveSpan('plugin work', async (span) => {
            active.push(span.spanContext().spanId)
            const answer = await own.request(work, undefined, callOf(request))
            span.end()
            return { answer }
          }),
        )
      })
    })
    const headers = { ...sampled, 'content-type': 'application/json' }
    expect(await (await fetch(`${origin}/work`, { method: 'POST', headers, body: '{"a":1}' })).json()).toEqual({
      answer: 'done',
    })
    // A request that is not sampled has no span, and its trace is passed on as it is.
    await fetch(`${origin}/work`, { method: 'POST', headers: { ...headers, ...unsampled }, body: '{"a":1}' })
    await bus.exit()

    const spans = receiver.spans.filter((span) => span.traceId === traceId)
    expect(treeOf(spans, spanId)).toEqual([
      'SERVER POST /work',
      '  INTERNAL plugin work',
      '    INTERNAL work',
      '      CLIENT GET',
    ])
    const ids = new Map(spans.map((span) => [span.name, span.spanId]))
    expect(active.slice(0, 2)).toEqual([ids.get('plugin work'), ids.get('work')])
    expect(received).toEqual([`00-${traceId}-${ids.get('GET')}-01`, unsampled.traceparent])
    expect(receiver.bodies.join()).not.toContain('hidden')
  })

  test('ends the span of a request whose client leaves with 499, and has one for a malformed request', async () => {
    const receiver = await startOtlpReceiver()
    let isWaiting = false
    const { bus, origin } = await start(receiver, {}, (own) => {
      own.subscribe(httpRoutes, (app) => {
        app.get('/wait', () => {
          isWaiting = true
          return new Promise(() => {})
        })
      })
    })
    const socket = connect(Number(new URL(origin).port), '127.0.0.1')
    socket.write('GET /wait HTTP/1.1\r\nhost: x\r\n\r\n')
    await expect.poll(() => isWaiting).toBe(true)
    socket.destroy()
    const malformed = connect(Number(new URL(origin).port), '127.0.0.1')
    malformed.end('GET /wait HTTP/1.1\r\nhost: x\r\nhost: y\r\nconnection: close\r\n\r\n')
    await text(malformed)
    await expect.poll(() => receiver.spans.filter(({ name }) => name === 'GET /wait').length).toBe(2)
    await bus.exit()

    const byStatus = Map.groupBy(receiver.spans, ({ attributes }) => attributes['http.response.status_code'])
    expect(byStatus.get(499)).toMatchObject([{ isError: false, name: 'GET /wait' }])
    expect(byStatus.get(400)).toMatchObject([
      { isError: false, name: 'GET /wait', attributes: { 'http.route': '/wait' } },
    ])
  })

  test('samples as configured, also against the decision of the client', async () => {
    const receiver = await startOtlpReceiver()
    const { bus, origin, demand } = await start(receiver, { OTEL_TRACES_SAMPLER: 'always_off' })
    await demand(sampled)
    await fetch(`${origin}/secret`)
    await bus.exit()
    expect(receiver.spans).toEqual([])
  })

  test('neither enters a context nor makes spans of calls of a request that is not sampled', async () => {
    const receiver = await startOtlpReceiver()
    const { bus, source, demand } = await start(receiver)
    const contexts: unknown[] = []
    source.answer = async () => {
      contexts.push(trace.getActiveSpan(), context.active())
      return 'second'
    }
    await demand(unsampled)
    await bus.exit()
    expect(contexts).toEqual([undefined, ROOT_CONTEXT])
    expect(receiver.spans.filter((span) => span.traceId === traceId)).toEqual([])
  })

  test('serves requests while the collector fails, logs an outage and the recovery once, and exits in time', async () => {
    const receiver = await startOtlpReceiver()
    const { bus, demand, logged } = await start(receiver, { OTEL_EXPORTER_OTLP_TIMEOUT: '5000' })
    const exports = () => logged().flatMap(({ msg }) => (/export/.test(String(msg)) ? [msg] : []))
    receiver.status = 400
    for (let count = 0; count < 3; count += 1) {
      expect((await demand(sampled)).status).toBe(200)
      await expect.poll(() => receiver.refused).toBeGreaterThan(count)
    }
    receiver.status = 200
    expect((await demand(sampled)).status).toBe(200)
    await expect.poll(exports).toEqual([expect.stringContaining('Failed to export spans'), 'Recovered: exported spans'])
    receiver.silent = true
    await demand(sampled)
    const startedAt = performance.now()
    expect(await bus.exit()).toBe(0)
    expect(performance.now() - startedAt).toBeLessThan(5_000) // the timeout of the export
  })
})

test('an event whose listener is synchronous has no span, but one that its listener uses does', async () => {
  const receiver = await startOtlpReceiver()
  const sold = event('item.sold')
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint }
  const { subscriber } = await startTracing(serviceInfo(ownPackage), environment)
  const bus = new ProcessBus({ service: ownPackage })
  bus.use('tracing', subscriber ?? (() => {}))
  bus.use('quiet', (own) => void own.subscribe(sold, () => {}))
  bus.use('user', (own) => void own.subscribe(sold, () => void trace.getActiveSpan()?.setAttribute('price', 3)))
  await bus.publish(sold, undefined, { trace: { traceId, spanId, flags: 1 } })
  await bus.start()
  await bus.exit()
  const spans = receiver.spans.filter(({ name }) => name === 'item.sold')
  expect(spans.map(({ attributes }) => attributes)).toEqual([
    { 'bus.channel': 'item.sold', 'bus.kind': 'event', 'bus.handler': 'user', price: 3 },
  ])
})
