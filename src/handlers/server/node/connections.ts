/**
 * Tracks the open connections of an HTTP server, so that those without a pending response do not delay a shutdown.
 * The built-in `closeIdleConnections` keeps connections that have sent nothing or part of a request, and cuts off
 * responses that are being sent.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Limits } from '../limits.ts'
import { Pipeline } from './pipeline.ts'
import type { WatchedResponse } from './response.ts'

const openConnections = new WeakMap<Server, ReadonlyMap<string, Socket>>()

/** The open connections of a server. A TLS connection is the TCP socket during the handshake, then the TLS socket. */
export function connectionsOf(server: Server): Iterable<Socket> {
  return openConnections.get(server)?.values() ?? []
}

/** The responses that have not been sent. */
export function* responsesOf(server: Server): Iterable<WatchedResponse> {
  for (const socket of connectionsOf(server)) yield* Pipeline.of(socket)?.responses ?? []
}

/**
 * Closes connections with a pending response after a time without traffic, or if the client does not take it. When the
 * server closes, also closes each connection as soon as it has no completely received request to answer.
 */
export function closeConnectionsGracefully(server: Server, limits: Limits): void {
  const { inactivityTimeout, unreadTimeout, checkInterval } = limits
  // Keyed by the client address, because a TLS connection has two sockets: first the TCP socket, then the TLS socket.
  const connections = new Map<string, Socket>()
  openConnections.set(server, connections)

  const add = (socket: Socket) => {
    // Node.js keeps the address from now on, also when the client has disconnected.
    const client = `${socket.remoteAddress} ${socket.remotePort}`
    connections.set(client, socket)
    socket.once('close', () => {
      if (connections.get(client) === socket) connections.delete(client)
    })
  }
  server.on('connection', add)
  server.on('secureConnection', add)

  // Checking periodically costs less than a timer per response, which Node.js would set.
  const check = setInterval(() => {
    const now = performance.now()
    for (const socket of connections.values()) {
      const pipeline = Pipeline.of(socket)
      if (!pipeline?.responses.length) continue
      if (pipeline.stalledFor(socket, now) >= unreadTimeout) socket.destroy()
      else if (!socket.timeout) socket.setTimeout(inactivityTimeout)
    }
  }, checkInterval).unref()
  server.once('close', () => clearInterval(check))

  // Node.js calls this when the server stops listening. Pipelines close the other connections.
  server.closeIdleConnections = () => {
    for (const socket of connections.values())
      if (!Pipeline.of(socket)?.responses.some(({ req }) => req.complete)) socket.destroySoon()
  }
}
