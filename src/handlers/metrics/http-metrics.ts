/** Metrics of the HTTP server, recorded at the server level, so that requests without a route are counted as well. */
import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import type { Metric } from '../../channels.ts'
import { finalStatus, type WatchedResponse } from '../server/node/response.ts'

/** Upper bounds in seconds, from a cache hit to a slow source. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** The statistics of one route. */
class RouteStatistics {
  readonly #statuses = new Map<number, { count: number }>()
  /** Requests per bucket, not cumulative. */
  readonly #counts = buckets.map(() => 0)
  #seconds = 0
  #count = 0

  add(status: number, seconds: number): void {
    const known = this.#statuses.get(status)
    if (known) known.count += 1
    else this.#statuses.set(status, { count: 1 })
    this.#seconds += seconds
    this.#count += 1
    const bucket = buckets.findIndex((atMost) => seconds <= atMost)
    if (bucket >= 0) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
  }

  /** Requests by status. */
  get statuses(): [status: number, count: number][] {
    return Array.from(this.#statuses, ([status, { count }]) => [status, count])
  }

  get times() {
    let total = 0
    const cumulative = buckets.map((atMost, index) => {
      total += this.#counts[index] ?? 0
      return { atMost, count: total }
    })
    return { buckets: cumulative, sum: this.#seconds, count: this.#count }
  }
}

/**
 * Starts recording and returns a function that collects the metrics. Labels never contain values chosen by clients, so
 * the number of series is bounded.
 */
export function httpMetrics(app: FastifyInstance, { metricPrefix }: Pick<ServiceInfo, 'metricPrefix'>): () => Metric[] {
  const routes = watchRequests(app)
  const malformed = watchRejections(app.server)
  return () => [
    {
      name: `${metricPrefix}http_requests_total`,
      help: 'HTTP requests by route and status; 499 if the client disconnected before the response.',
      type: 'counter',
      values: [...routes].flatMap(([route, { statuses }]) =>
        statuses.map(([status, value]) => ({ labels: { route, status: String(status) }, value })),
      ),
    },
    {
      name: `${metricPrefix}http_request_duration_seconds`,
      help: 'Time from the request head to the end of the response, by route.',
      type: 'histogram',
      values: Array.from(routes, ([route, { times }]) => ({ labels: { route }, ...times })),
    },
    {
      name: `${metricPrefix}http_malformed_requests_total`,
      help: 'Connections rejected because of a malformed, oversized or slow request.',
      type: 'counter',
      values: [{ value: malformed() }],
    },
  ]
}

function watchRequests(app: FastifyInstance): ReadonlyMap<string, RouteStatistics> {
  const routes = new Map<string, RouteStatistics>()
  const statisticsOf = (route: string) => {
    const known = routes.get(route)
    if (known) return known
    const statistics = new RouteStatistics()
    routes.set(route, statistics)
    return statistics
  }

  app.addHook('onRequest', ({ routeOptions: { url } }, reply, done) => {
    if (url !== undefined) (reply.raw as WatchedResponse).route = url
    done()
  })

  // Shared by all responses, to avoid a closure per request.
  function onClose(this: WatchedResponse) {
    statisticsOf(this.route).add(finalStatus(this), (performance.now() - this.began) / 1_000)
  }
  // Before the routes, because they may respond synchronously.
  app.server.prependListener('request', (_request, response) => response.on('close', onClose))
  return routes
}

function watchRejections(server: Server): () => number {
  const rejected = new WeakSet<Duplex>()
  let count = 0

  server.on('clientError', ({ code }: NodeJS.ErrnoException, socket) => {
    // A reset is not an error of the request, and a rejected client may send more before it reads the response.
    if (code === 'ECONNRESET' || rejected.has(socket)) return
    rejected.add(socket)
    count += 1
  })
  return () => count
}
