/** `GET /metrics`: what has happened so far, in numbers, for Prometheus. */
import type { RouteShorthandOptions } from 'fastify'
import { messageOf } from '../bus/errors.ts'
import type { Subscriber } from '../bus/process-bus.ts'
import { collectMetrics, httpRoutes } from '../channels.ts'
import { gather } from './gather.ts'
import { httpMetrics } from './http-metrics.ts'

export const metricsRoutes = (): Subscriber => (bus) => {
  const collect = bus.publisher(collectMetrics)

  bus.subscribe(httpRoutes, (app) => {
    const ofRequests = httpMetrics(app)

    app.get('/metrics', route, async (request, reply) => {
      const { outputs } = await gather(collect, request.id)
      const { exposition } = await import('./exposition.ts') // which is loaded by who has use for it
      const { contentType, text } = await exposition([...ofRequests(), ...outputs.flat()], (metric, error) =>
        bus.log('error', `The metric ${metric?.name} cannot be shown: ${messageOf(error)}`, {
          reqId: request.id,
          err: error,
        }),
      )
      return reply.header('cache-control', 'no-store').type(contentType).send(text)
    })
  })
}

const route = {
  schema: {
    operationId: 'getMetrics',
    summary: 'What has happened so far, in numbers',
    description: 'For Prometheus. Requests, calls on the bus, readings and fetches of secrets, and the process.',
    tags: ['Operation'],
  },
  config: {
    documentation: {
      replies: [
        {
          status: 200,
          description: 'The numbers, in the text format of Prometheus.',
          mediaType: 'text/plain',
          schema: { type: 'string' },
          examples: {
            readings: {
              summary: 'A few of them',
              value: `# HELP secret_bus_secret_reads_total Readings of the cache by code name, and by result: hit, stale, miss, coalesced, negative or backoff.
# TYPE secret_bus_secret_reads_total counter
secret_bus_secret_reads_total{code_name="thedoctor",result="hit"} 1
`,
            },
          },
          headers: ['Cache-Control'],
        },
      ],
    },
  },
} satisfies RouteShorthandOptions
