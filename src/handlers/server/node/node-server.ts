/** The server of Node below Fastify, within our limits: for HTTP, or for HTTPS where there is a certificate. */
import type { RequestListener, Server } from 'node:http'
import type { Certificate } from '../certificate.ts'
import type { Limits } from '../limits.ts'
import { removeTypeOfNoBody } from './empty-requests.ts'
import { createSecureServer, createServer } from './node-http.ts'
import { drainingResponse, warmUpObjectShapes } from './response.ts'

/** @param isDraining whether this is the last reply on its connection; it is asked when the head of each is written */
export function nodeServer(
  answer: RequestListener,
  limits: Limits,
  certificate: Certificate | undefined,
  isDraining: () => boolean,
): Server {
  const listener: RequestListener = (request, response) => {
    // Who does not read a body leaves it to Node, which would read it to its end, however long it is.
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers
    if (coding !== undefined || Number(length) > limits.body) response.shouldKeepAlive = false
    removeTypeOfNoBody(request)
    answer(request, response)
  }
  const ServerResponse = drainingResponse(isDraining)
  warmUpObjectShapes(ServerResponse)
  const options = {
    ServerResponse,
    maxHeaderSize: limits.head,
    headersTimeout: limits.headTimeout,
    requestTimeout: limits.requestTimeout,
    connectionsCheckingInterval: limits.checkInterval,
    keepAliveTimeout: limits.keepAliveTimeout,
    optimizeEmptyRequests: true,
    requireHostHeader: false, // it is required where the answer is a problem like every other
  }
  const server: Server = certificate
    ? createSecureServer({ ...options, ...certificate, handshakeTimeout: limits.handshakeTimeout }, listener)
    : createServer(options, listener)
  server.maxConnections = limits.openConnections
  // Any other expectation than 100-continue may be ignored: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1
  return server.on('checkExpectation', (request, response) => server.emit('request', request, response))
}
