/** `GET /metrics`: what has happened so far, in numbers, for Prometheus. */
import type { RouteShorthandOptions } from 'fastify'
import { Counter, collectDefaultMetrics, Gauge, Registry, register } from 'prom-client'
import { messageOf } from '../bus/errors.ts'
import type { Subscriber } from '../bus/process-bus.ts'
import { collectMetrics, httpRoutes, type Metric } from '../channels.ts'
import { gather } from './gather.ts'
import { httpMetrics } from './http-metrics.ts'

export const metricsRoutes = (): Subscriber => (bus) => {
  const collect = bus.publisher(collectMetrics)

  bus.subscribe(httpRoutes, (app) => {
    const registries = [processMetrics(), httpMetrics(app)]

    app.get('/metrics', route, async (request, reply) => {
      const shown = Registry.merge(registries)
      const { outputs } = await gather(collect, request.id)
      for (const metric of outputs.flat()) {
        try {
          show(metric, shown)
        } catch (error) {
          bus.log('error', `The metric ${metric?.name} cannot be shown: ${messageOf(error)}`, {
            reqId: request.id,
            err: error,
          })
        }
      }
      return reply
        .header('cache-control', 'no-store')
        .type(shown.contentType)
        .send(await shown.metrics())
    })
  })
}

/** What prom-client counts of every process, and is not shown. */
const unwanted = [
  'nodejs_version_info', // which holes there are to look for is nobody's business
  // Gauges, whatever the name says, and no more than the sums of others.
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/**
 * There is one process, however often a server starts in it, and prom-client cannot stop watching: so it is told to once,
 * with the registry that it has for this.
 */
function processMetrics(): Registry {
  if (register.getSingleMetric('process_cpu_seconds_total')) return register
  collectDefaultMetrics()
  for (const name of unwanted) register.removeSingleMetric(name)
  return register
}

/** @throws Error if there is one of this name, or names and values are not what Prometheus takes */
function show({ name, help, type, values }: Metric, registry: Registry): void {
  if (values.length === 0) return // it would be shown as 0, which is a value
  const labelNames = [...new Set(values.flatMap(({ labels = {} }) => Object.keys(labels)))]
  const metric = new (type === 'counter' ? Counter : Gauge)({ name, help, labelNames, registers: [] })
  for (const { labels = {}, value } of values) metric.inc(labels, value)
  registry.registerMetric(metric) // now that it is whole
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
