/**
 * The open connections of an HTTP server, so that a stop is not held up by those on which nobody waits for an answer. Node's
 * own way leaves alone whoever has sent nothing yet, or half a request, and breaks off replies that are on their way.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Limits } from '../limits.ts'
import { tellEndOfRequest } from './empty-requests.ts'

const underWay = Symbol('requests under way')

/** A connection, with the requests on it that are not answered yet, oldest first: it may send several without waiting. */
interface Connection extends Socket {
  [underWay]?: IncomingMessage[]
}

/**
 * Closes each connection on which nothing passes while a reply is under way. When the server is closed, has each closed as
 * soon as no request that came whole is being answered on it.
 */
export function closeConnectionsInOrder(server: Server, { silence, checkInterval }: Limits): void {
  // By the client's end, since a connection with TLS is two sockets: first the plain one, then the one that reads it.
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

  // One function for all: it is added to every reply.
  function onClose(this: ServerResponse) {
    const socket: Connection = this.req.socket
    socket[underWay]?.shift()
    tellEndOfRequest(this)
    if (closing && socket.writable) socket.destroySoon()
  }
  server.on('request', (request, response) => {
    const socket: Connection = request.socket
    socket[underWay] ??= []
    socket[underWay].push(request)
    response.on('close', onClose)
  })

  // A timer for each reply, which Node would set, costs more than to look from time to time which ones take long.
  const watch = setInterval(() => {
    for (const socket of connections.values())
      if (socket[underWay]?.length && !socket.timeout) socket.setTimeout(silence)
  }, checkInterval).unref()
  server.once('close', () => clearInterval(watch))

  // Node calls it when it stops listening.
  server.closeIdleConnections = () => {
    closing = true
    for (const socket of connections.values())
      if (!socket[underWay]?.some(({ complete }) => complete)) socket.destroySoon()
  }
}
