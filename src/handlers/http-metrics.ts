/** The HTTP server in numbers. It is watched from below the routes, so that requests without a route count as well. */
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { Counter, Histogram, Registry } from 'prom-client'
import { clientClosedRequest } from './client-closed-request.ts'

/** From what the cache answers to what a slow source takes, in seconds. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Counts and times from now on whatever comes. Nothing that a client makes up is a label. */
export function httpMetrics(app: FastifyInstance): Registry {
  const registry = new Registry()
  watchRequests(app, registry)
  watchRefusals(app.server, registry)
  return registry
}

function watchRequests(app: FastifyInstance, registry: Registry): void {
  const requests = new Counter({
    name: 'secret_bus_http_requests_total',
    help: 'HTTP requests by route, and by status, which is 499 where the client did not wait.',
    labelNames: ['route', 'status'],
    registers: [registry],
  })
  const durations = new Histogram({
    name: 'secret_bus_http_request_duration_seconds',
    help: 'Time from the head of an HTTP request to the end of its reply, by route.',
    labelNames: ['route'],
    buckets,
    registers: [registry],
  })
  const routes = new WeakMap<IncomingMessage, string>()

  app.addHook('onRequest', (request, _reply, done) => {
    const { url } = request.routeOptions
    if (url !== undefined) routes.set(request.raw, url)
    done()
  })
  app.server.on('request', (request, response) => {
    const began = performance.now()
    response.once('close', () => {
      const route = routes.get(request) ?? 'none'
      const status = response.writableFinished ? response.statusCode : clientClosedRequest
      requests.inc({ route, status })
      durations.observe({ route }, (performance.now() - began) / 1_000)
    })
  })
}

function watchRefusals(server: Server, registry: Registry): void {
  const malformed = new Counter({
    name: 'secret_bus_http_malformed_requests_total',
    help: 'Connections refused because what came was no HTTP, too much or too slow.',
    registers: [registry],
  })
  const refused = new WeakSet<Duplex>()

  server.on('clientError', ({ code }: NodeJS.ErrnoException, socket) => {
    // Clients may go when they like, and may send more before they see that they are refused.
    if (code === 'ECONNRESET' || refused.has(socket)) return
    refused.add(socket)
    malformed.inc()
  })
}
