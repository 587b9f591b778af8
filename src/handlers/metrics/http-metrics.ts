/** Metrics of the HTTP server, recorded at the server level, so that requests without a route are counted as well. */
import type { Server } from 'node:http'
import { performance } from 'node:perf_hooks'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import type { Metric } from '../../channels.ts'
import { type Counter, type CounterSeries, counter, type LabeledCounter } from '../../metrics/counter.ts'
import { type HistogramSeries, histogram, type LabeledHistogram } from '../../metrics/histogram.ts'
import { finalStatus, onClosed, type WatchedResponse } from '../server/node/response.ts'

/** Upper bounds in seconds, from a cache hit to a slow source. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/**
 * Starts recording and returns a function that collects the metrics. Labels never contain values chosen by clients, so
 * the number of series is bounded.
 */
export function httpMetrics(app: FastifyInstance, { metricPrefix }: Pick<ServiceInfo, 'metricPrefix'>): () => Metric[] {
  const requests = counter({
    name: `${metricPrefix}http_requests_total`,
    help: 'HTTP requests by route and status; 499 if the client disconnected before the response.',
    labels: ['route', 'status'],
  })
  const durations = histogram({
    name: `${metricPrefix}http_request_duration_seconds`,
    help: 'Time from the request head to the end of the response, by route.',
    labels: ['route'],
    buckets,
  })
  const malformed = counter({
    name: `${metricPrefix}http_malformed_requests_total`,
    help: 'Connections rejected because of a malformed, oversized or slow request.',
  })
  watchRequests(app, requests, durations)
  watchRejections(app.server, malformed)
  return () => [requests.metric(), durations.metric(), malformed.metric()]
}

function watchRequests(
  app: FastifyInstance,
  requests: LabeledCounter<'route' | 'status'>,
  durations: LabeledHistogram<'route'>,
): void {
  // Nested maps cost less per request than the labels.
  const routes = new Map<string, { readonly times: HistogramSeries; readonly statuses: Map<number, CounterSeries> }>()
  const seriesOf = (route: string) => {
    const known = routes.get(route)
    if (known) return known
    const series = { times: durations.labels({ route }), statuses: new Map<number, CounterSeries>() }
    routes.set(route, series)
    return series
  }

  const count = (response: WatchedResponse) => {
    const { route, began } = response
    const { times, statuses } = seriesOf(route)
    times.observe((performance.now() - began) / 1_000)
    const status = finalStatus(response)
    const known = statuses.get(status)
    if (known) return known.add()
    const series = requests.labels({ route, status: String(status) })
    statuses.set(status, series)
    series.add()
  }
  // Before the routes, because they may respond synchronously.
  app.server.prependListener('request', (_request, response) => onClosed(response, count))
}

function watchRejections(server: Server, malformed: Counter): void {
  const rejected = new WeakSet<Duplex>()

  server.on('clientError', ({ code }: NodeJS.ErrnoException, socket) => {
    // A reset is not an error of the request, and a rejected client may send more before it reads the response.
    if (code === 'ECONNRESET' || rejected.has(socket)) return
    rejected.add(socket)
    malformed.add()
  })
}
