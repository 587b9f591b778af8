/** The HTTP server in numbers. It is watched from below the routes, so that requests without a route count as well. */
import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Metric } from '../../channels.ts'
import { finalStatus, type WatchedResponse } from '../server/node/response.ts'

/** From what the cache answers to what a slow source takes, in seconds. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** What is known of a route. */
class RouteNumbers {
  readonly #statuses = new Map<number, { count: number }>()
  /** Requests that took no longer than the bucket of this place, and longer than the one before it. */
  readonly #counts = buckets.map(() => 0)
  #seconds = 0
  #count = 0

  add(status: number, seconds: number): void {
    const known = this.#statuses.get(status)
    if (known) known.count += 1
    else this.#statuses.set(status, { count: 1 })
    this.#seconds += seconds
    this.#count += 1
    const place = buckets.findIndex((atMost) => seconds <= atMost)
    if (place >= 0) this.#counts[place] = (this.#counts[place] ?? 0) + 1
  }

  /** Requests by their status. */
  get statuses(): [status: number, count: number][] {
    return Array.from(this.#statuses, ([status, { count }]) => [status, count])
  }

  get times() {
    let sofar = 0
    const upTo = buckets.map((atMost, place) => {
      sofar += this.#counts[place] ?? 0
      return { atMost, count: sofar }
    })
    return { buckets: upTo, sum: this.#seconds, count: this.#count }
  }
}

/** Counts and times from now on whatever comes, and answers with what it has. Nothing that a client makes up is a label. */
export function httpMetrics(app: FastifyInstance): () => Metric[] {
  const routes = watchRequests(app)
  const malformed = watchRefusals(app.server)
  return () => [
    {
      name: 'secret_bus_http_requests_total',
      help: 'HTTP requests by route, and by status, which is 499 where the client did not wait.',
      type: 'counter',
      values: [...routes].flatMap(([route, { statuses }]) =>
        statuses.map(([status, value]) => ({ labels: { route, status: String(status) }, value })),
      ),
    },
    {
      name: 'secret_bus_http_request_duration_seconds',
      help: 'Time from the head of an HTTP request to the end of its reply, by route.',
      type: 'histogram',
      values: Array.from(routes, ([route, { times }]) => ({ labels: { route }, ...times })),
    },
    {
      name: 'secret_bus_http_malformed_requests_total',
      help: 'Connections refused because what came was no HTTP, too much or too slow.',
      type: 'counter',
      values: [{ value: malformed() }],
    },
  ]
}

function watchRequests(app: FastifyInstance): ReadonlyMap<string, RouteNumbers> {
  const routes = new Map<string, RouteNumbers>()
  const numbersOf = (route: string) => {
    const known = routes.get(route)
    if (known) return known
    const numbers = new RouteNumbers()
    routes.set(route, numbers)
    return numbers
  }

  app.addHook('onRequest', ({ routeOptions: { url } }, reply, done) => {
    if (url !== undefined) (reply.raw as WatchedResponse).route = url
    done()
  })

  // One function for all: it is added to every reply.
  function onClose(this: WatchedResponse) {
    numbersOf(this.route).add(finalStatus(this), (performance.now() - this.began) / 1_000)
  }
  // Before the routes, which may have answered when they return.
  app.server.prependListener('request', (_request, response) => response.on('close', onClose))
  return routes
}

function watchRefusals(server: Server): () => number {
  const refused = new WeakSet<Duplex>()
  let count = 0

  server.on('clientError', ({ code }: NodeJS.ErrnoException, socket) => {
    // Clients may go when they like, and may send more before they see that they are refused.
    if (code === 'ECONNRESET' || refused.has(socket)) return
    refused.add(socket)
    count += 1
  })
  return () => count
}
