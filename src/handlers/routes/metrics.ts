/** `GET /metrics`: metrics for Prometheus. */
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import { singleFlight } from '../../bus/process/single-flight.ts'
import { collectMetrics, httpRoutes, type Metric } from '../../channels.ts'
import { httpMetrics } from '../metrics/http-metrics.ts'
import { acceptsGzip } from '../pages/accepts-gzip.ts'
import { lazy } from '../pages/lazy.ts'
import { hookPriority } from '../server/hook-priority.ts'
import { healthTimeout } from './health.ts'
import { metricsRoute } from './metrics.openapi.ts'

/** Time limit of each subscriber in milliseconds. One of them waits for the health checks. */
const timeout = healthTimeout + 500

/** Time between two renderings in milliseconds, so that scrapes of many clients leave most of the time to other requests. */
const pause = 100

/** The maximum number of different messages about metrics. A name or value in them may change with every scrape. */
const maxComplaints = 100

export const metricsRoutes = (): Subscriber => (bus) => {
  // Only declares that this subscriber publishes on the channel, because `publishSettled` does not declare it.
  bus.publisher(collectMetrics)

  // Logged once, not on every scrape.
  const logged = new Set<string>()
  const complain = (message: string, reqId: string) => {
    if (logged.has(message) || logged.size >= maxComplaints) return
    logged.add(message)
    bus.log('error', message, { reqId })
  }

  const addRoute = (app: FastifyInstance) => {
    const requestMetrics = httpMetrics(app, bus.service)
    const ownMetrics = () => [buildInfo(bus.service), ...requestMetrics()]

    // Concurrent scrapes share one document, so that many cost no more time and memory than one.
    let renderedAt = -Infinity
    const render = singleFlight(async (id: string) => {
      // Scrapes that arrive in this time share the document. Rendering itself may wait for nothing, so that none could.
      await setTimeout(Math.max(0, renderedAt + pause - performance.now()))
      const call = { id, deadline: Date.now() + timeout }
      // Subscribers that fail are logged by the bus; the document contains the others.
      const outcomes = await bus.publishSettled(collectMetrics, undefined, call)
      const collected = outcomes.flatMap((outcome) =>
        outcome.status === 'fulfilled' ? [{ by: outcome.handler, metrics: outcome.value }] : [],
      )
      const { contentType, exposition } = await import('../metrics/exposition.ts') // loaded on the first scrape
      const text = await exposition([{ by: 'metrics-routes', metrics: ownMetrics() }, ...collected], (by, reason) =>
        complain(`Left out an invalid metric of ${by}: ${reason}`, id),
      )
      renderedAt = performance.now()
      const body = Buffer.from(text)
      return { contentType, body, compressed: lazy(() => promisify(gzip)(body)) }
    })

    app.get('/metrics', metricsRoute(bus.service), async (request, reply) => {
      const { contentType, body, compressed } = await render(request.id)
      reply.headers({ 'cache-control': 'no-store', vary: 'accept-encoding' }).type(contentType)
      if (!acceptsGzip(request.headers['accept-encoding'])) return body
      return reply.header('content-encoding', 'gzip').send(await compressed())
    })
  }
  bus.subscribe(httpRoutes, addRoute, { priority: hookPriority.metrics })
}

/** The value is always 1, so that queries can add the versions to other metrics. */
function buildInfo({ metricPrefix, version }: Pick<ServiceInfo, 'metricPrefix' | 'version'>): Metric {
  return {
    name: `${metricPrefix}build_info`,
    help: 'Always 1, with the versions of the service and of Node.js as labels.',
    type: 'gauge',
    values: [{ labels: { version, node: process.versions.node }, value: 1 }],
  }
}
