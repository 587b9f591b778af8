/** `GET /metrics`: what has happened so far, in numbers, for Prometheus. */
import { messageOf } from '../../bus/errors.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { collectMetrics, httpRoutes } from '../../channels.ts'
import { httpMetrics } from '../metrics/http-metrics.ts'
import { route } from './metrics.openapi.ts'

/** Time limit of each subscriber in milliseconds. */
const timeout = 1_000

export const metricsRoutes = (): Subscriber => (bus) => {
  bus.publisher(collectMetrics)

  bus.subscribe(httpRoutes, (app) => {
    const ofRequests = httpMetrics(app)

    app.get('/metrics', route, async (request, reply) => {
      const call = { id: request.id, deadline: Date.now() + timeout }
      // Subscribers that fail are logged by the bus; the document contains the others.
      const outcomes = await bus.publishSettled(collectMetrics, undefined, call)
      const outputs = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []))
      const { exposition } = await import('../metrics/exposition.ts') // which is loaded by who has use for it
      const { contentType, text } = await exposition([...ofRequests(), ...outputs], (metric, error) =>
        bus.log('error', `The metric ${metric?.name} cannot be shown: ${messageOf(error)}`, {
          reqId: request.id,
          err: error,
        }),
      )
      return reply.header('cache-control', 'no-store').type(contentType).send(text)
    })
  })
}
