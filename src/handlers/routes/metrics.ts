/** `GET /metrics`: metrics for Prometheus. */
import { messageOf } from '../../bus/errors.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { collectMetrics, httpRoutes } from '../../channels.ts'
import { httpMetrics } from '../metrics/http-metrics.ts'
import { route } from './metrics.openapi.ts'

/** Time limit of each subscriber in milliseconds. */
const timeout = 1_000

export const metricsRoutes = (): Subscriber => (bus) => {
  // Only declares that this subscriber publishes on the channel: `publishSettled` does not.
  bus.publisher(collectMetrics)

  bus.subscribe(httpRoutes, (app) => {
    const requestMetrics = httpMetrics(app)

    app.get('/metrics', route, async (request, reply) => {
      const call = { id: request.id, deadline: Date.now() + timeout }
      // Subscribers that fail are logged by the bus; the document contains the others.
      const outcomes = await bus.publishSettled(collectMetrics, undefined, call)
      const outputs = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []))
      const { exposition } = await import('../metrics/exposition.ts') // loaded on the first scrape
      const { contentType, text } = await exposition([...requestMetrics(), ...outputs], (metric, error) =>
        bus.log('error', `Failed to render metric ${metric?.name}: ${messageOf(error)}`, {
          reqId: request.id,
          err: error,
        }),
      )
      return reply.header('cache-control', 'no-store').type(contentType).send(text)
    })
  })
}
