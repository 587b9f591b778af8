/** `GET /metrics`: metrics for Prometheus. */
import { setTimeout } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { singleFlight } from '../../bus/process/single-flight.ts'
import { collectMetrics, httpRoutes } from '../../channels.ts'
import { httpMetrics } from '../metrics/http-metrics.ts'
import { hookPriority } from '../server/hook-priority.ts'
import { metricsRoute } from './metrics.openapi.ts'

/** Time limit of each subscriber in milliseconds. */
const timeout = 1_000

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
      const text = await exposition([{ by: 'metrics-routes', metrics: requestMetrics() }, ...collected], (by, reason) =>
        complain(`Left out an invalid metric of ${by}: ${reason}`, id),
      )
      renderedAt = performance.now()
      return { contentType, body: Buffer.from(text) }
    })

    app.get('/metrics', metricsRoute(bus.service), async (request, reply) => {
      const { contentType, body } = await render(request.id)
      return reply.header('cache-control', 'no-store').type(contentType).send(body)
    })
  }
  bus.subscribe(httpRoutes, addRoute, { priority: hookPriority.metrics })
}
