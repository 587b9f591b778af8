/** The OpenAPI description of the metrics route. */
import type { RouteShorthandOptions } from 'fastify'
import type { ServiceInfo } from '../../bus/process/service-info.ts'

export const metricsRoute = ({ metricPrefix }: Pick<ServiceInfo, 'metricPrefix'>) =>
  ({
    schema: {
      operationId: 'getMetrics',
      summary: 'Get metrics',
      description:
        'Prometheus metrics of HTTP requests, bus calls, the process, and the subscribers of the service. Compressed with gzip if `Accept-Encoding` allows it.',
      tags: ['Operations'],
    },
    config: {
      needs: 'metrics',
      documentation: {
        replies: [
          {
            status: 200,
            description: 'Metrics in the Prometheus text format.',
            mediaType: 'text/plain',
            schema: { type: 'string' },
            examples: {
              state: {
                summary: 'Excerpt',
                value: `# HELP ${metricPrefix}state Process state: 1 for the current state, 0 for all others.
# TYPE ${metricPrefix}state gauge
${metricPrefix}state{state="STOPPED"} 0
`,
              },
            },
            headers: ['Cache-Control'],
          },
        ],
      },
    },
  }) satisfies RouteShorthandOptions
