/** `GET /metrics`: what has happened so far, in numbers, for Prometheus. */
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { ChannelFailures, messageOf } from '../bus/errors.ts'
import type { Subscriber } from '../bus/process-bus.ts'
import { collectMetrics, httpRoutes, type Metric } from '../channels.ts'

/** From what the cache answers to what a slow source takes, in seconds. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** How long one may take to say what it has counted, in milliseconds. */
const collectTimeout = 1_000

/** What nginx logs for a client that did not wait for its answer; it is never sent. */
const clientClosedRequest = 499

export const metricsRoutes = (): Subscriber => (bus) => {
  const collect = bus.publisher(collectMetrics)

  const collected = async (id: string): Promise<Metric[]> => {
    try {
      return (await collect(undefined, { id, deadline: Date.now() + collectTimeout })).flat()
    } catch (error) {
      if (!(error instanceof ChannelFailures)) throw error
      return (error.outputs as Metric[][]).flat() // what the others on this channel answered
    }
  }

  bus.subscribe(httpRoutes, (app) => {
    const registry = new Registry()
    addProcessMetrics(registry)
    watch(app, registry)

    app.get('/metrics', async (request, reply) => {
      const shown = Registry.merge([registry])
      for (const metric of await collected(request.id)) {
        try {
          show(metric, shown)
        } catch (error) {
          bus.log('error', `A metric cannot be shown: ${messageOf(error)}`, { reqId: request.id, err: error })
        }
      }
      return reply
        .header('cache-control', 'no-store')
        .type(shown.contentType)
        .send(await shown.metrics())
    })
  })
}

function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  registry.removeSingleMetric('nodejs_version_info') // which holes there are to look for is nobody's business
}

/** Counts and times every request, also those for which there is no route, or no answer. */
function watch(app: FastifyInstance, registry: Registry): void {
  const registers = [registry]
  const requests = new Counter({
    name: 'secret_bus_http_requests_total',
    help: 'HTTP requests by route, and by status, which is 499 where the client did not wait.',
    labelNames: ['route', 'status'],
    registers,
  })
  const durations = new Histogram({
    name: 'secret_bus_http_request_duration_seconds',
    help: 'Time from the head of an HTTP request to the end of its reply, by route.',
    labelNames: ['route'],
    buckets,
    registers,
  })
  const malformed = new Counter({
    name: 'secret_bus_http_malformed_requests_total',
    help: 'Connections closed because what came was no HTTP, too much or too slow.',
    registers,
  })
  const routes = new WeakMap<IncomingMessage, string>()

  app.addHook('onRequest', (request, _reply, done) => {
    const { url } = request.routeOptions
    if (url !== undefined) routes.set(request.raw, url)
    done()
  })
  app.server.on('request', (request, response) => {
    const began = performance.now()
    response.once('close', () => {
      const route = routes.get(request) ?? 'none'
      const status = response.writableFinished ? response.statusCode : clientClosedRequest
      requests.inc({ route, status })
      durations.observe({ route }, (performance.now() - began) / 1_000)
    })
  })
  app.server.on('clientError', () => malformed.inc())
}

/** @throws Error if there is one of this name, or name and labels are not what Prometheus takes */
function show({ name, help, type, values }: Metric, registry: Registry): void {
  const labelNames = [...new Set(values.flatMap(({ labels = {} }) => Object.keys(labels)))]
  const metric = new (type === 'counter' ? Counter : Gauge)({ name, help, labelNames, registers: [registry] })
  for (const { labels = {}, value } of values) metric.inc(labels, value)
}
