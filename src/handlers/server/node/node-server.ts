/** Creates the Node.js server that Fastify runs on, with the limits: HTTPS with a certificate, otherwise HTTP. */
import type { IncomingMessage, RequestListener, Server } from 'node:http'
import type { TlsOptions } from 'node:tls'
import type { Limits } from '../limits.ts'
import { closeConnectionsGracefully } from './connections.ts'
import { removeUnusedContentType } from './empty-requests.ts'
import { createSecureServer, createServer } from './node-http.ts'
import { PendingReplies } from './pending-replies.ts'
import { boundedPipelines } from './pipeline.ts'
import { closeQueuedResponses } from './queued-responses.ts'
import { serverResponse, type WatchedResponse, warmUpObjectShapes } from './response.ts'

/** @param isDraining whether a response is the last one on its connection; called when its head is written */
export function nodeServer(
  handle: RequestListener,
  limits: Limits,
  certificate: TlsOptions | undefined,
  isDraining: () => boolean,
): Server {
  const pending = new PendingReplies(limits.pendingBytes)
  const dispatch = boundedPipelines(handle, limits, pending, () => !server.listening)
  const listener = (request: IncomingMessage, response: WatchedResponse) => {
    // On a keep-alive connection, Node.js drains an unread body, regardless of its length.
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers
    if (coding !== undefined || Number(length) > limits.body) response.shouldKeepAlive = false
    removeUnusedContentType(request)
    dispatch(request, response)
  }
  const ServerResponse = serverResponse(isDraining, certificate !== undefined, pending)
  warmUpObjectShapes(ServerResponse)
  const options = {
    ServerResponse,
    maxHeaderSize: limits.head,
    headersTimeout: limits.headTimeout,
    requestTimeout: limits.requestTimeout,
    connectionsCheckingInterval: limits.checkInterval,
    keepAliveTimeout: limits.keepAliveTimeout,
    optimizeEmptyRequests: true,
    requireHostHeader: false, // the app checks it and replies with problem details
  }
  const server: Server = certificate
    ? createSecureServer({ ...options, ...certificate, handshakeTimeout: limits.handshakeTimeout }, listener)
    : createServer(options, listener)
  server.maxConnections = limits.openConnections
  pending.attachTo(server)
  closeConnectionsGracefully(server, limits)
  closeQueuedResponses(server)
  // Expectations other than 100-continue may be ignored: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1
  return server.on('checkExpectation', (request, response) => server.emit('request', request, response))
}
