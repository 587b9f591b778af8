/** The OpenAPI description of the metrics route. */
import type { RouteShorthandOptions } from 'fastify'

export const route = {
  schema: {
    operationId: 'getMetrics',
    summary: 'Get metrics',
    description: 'Prometheus metrics of HTTP requests, bus calls, secret reads and fetches, and the process.',
    tags: ['Operations'],
  },
  config: {
    documentation: {
      replies: [
        {
          status: 200,
          description: 'Metrics in the Prometheus text format.',
          mediaType: 'text/plain',
          schema: { type: 'string' },
          examples: {
            reads: {
              summary: 'Excerpt',
              value: `# HELP secret_bus_secret_reads_total Cache reads by code name and result: hit, stale, miss, coalesced, negative or backoff.
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
