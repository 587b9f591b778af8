/**
 * Tracks the open connections of an HTTP server, so that those without a pending response do not delay a shutdown.
 * Node's own `closeIdleConnections` keeps connections that have sent nothing or half a request, and cuts off responses
 * that are being sent.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Limits } from '../limits.ts'
import { emitRequestEnd } from './empty-requests.ts'

const pending = Symbol('pending requests')

/** A connection with its pending requests, oldest first. A client may pipeline several. */
interface Connection extends Socket {
  [pending]?: IncomingMessage[]
}

/**
 * Closes connections with a pending response after a time without traffic. When the server closes, also closes each
 * connection as soon as it has no completely received request to answer.
 */
export function closeConnectionsGracefully(server: Server, { inactivityTimeout, checkInterval }: Limits): void {
  // Keyed by the client address, because a TLS connection has two sockets: the plain one and then the decrypting one.
  const connections = new Map<string, Connection>()
  let closing = false

  const add = (socket: Socket) => {
    const client = `${socket.remoteAddress} ${socket.remotePort}`
    connections.set(client, socket)
    socket.once('close', () => {
      if (connections.get(client) === socket) connections.delete(client)
    })
  }
  server.on('connection', add)
  server.on('secureConnection', add)

  // One shared function, because it is added to every response.
  function onClose(this: ServerResponse) {
    const socket: Connection = this.req.socket
    socket[pending]?.shift()
    emitRequestEnd(this)
    if (closing && socket.writable) socket.destroySoon()
  }
  server.on('request', (request, response) => {
    const socket: Connection = request.socket
    socket[pending] ??= []
    socket[pending].push(request)
    response.on('close', onClose)
  })

  // Checking periodically costs less than a timer per response, which Node would set.
  const watch = setInterval(() => {
    for (const socket of connections.values())
      if (socket[pending]?.length && !socket.timeout) socket.setTimeout(inactivityTimeout)
  }, checkInterval).unref()
  server.once('close', () => clearInterval(watch))

  // Node calls this when the server stops listening.
  server.closeIdleConnections = () => {
    closing = true
    for (const socket of connections.values())
      if (!socket[pending]?.some(({ complete }) => complete)) socket.destroySoon()
  }
}
