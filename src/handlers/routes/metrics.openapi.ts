/** The OpenAPI description of the metrics route. */
import type { RouteShorthandOptions } from 'fastify'

export const route = {
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
