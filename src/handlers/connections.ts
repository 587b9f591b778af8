/**
 * The open connections of an HTTP server, so that a stop is not held up by those on which nobody waits for an answer. Node's
 * own way leaves alone whoever has sent nothing yet, or half a request, and breaks off replies that are on their way.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** When the server is closed, has each connection closed as soon as no request that came whole is being answered on it. */
export function closeConnectionsInOrder(server: Server): void {
  // By the client's end, since a connection with TLS is two sockets: first the plain one, then the one that reads it.
  const sockets = new Map<string, Socket>()
  const requests = new Set<IncomingMessage>()
  let closing = false

  // One function for all: it is added to every reply.
  function onClose(this: ServerResponse) {
    requests.delete(this.req)
    if (closing && this.req.socket.writable) this.req.socket.destroySoon()
  }

  const add = (socket: Socket) => {
    const client = `${socket.remoteAddress} ${socket.remotePort}`
    sockets.set(client, socket)
    socket.once('close', () => {
      if (sockets.get(client) === socket) sockets.delete(client)
    })
  }
  server.on('connection', add)
  server.on('secureConnection', add)
  server.on('request', (request, response) => {
    requests.add(request)
    response.on('close', onClose)
  })

  // Node calls it when it stops listening.
  server.closeIdleConnections = () => {
    closing = true
    const whole = [...requests].filter(({ complete }) => complete)
    const busy = new Set(whole.map(({ socket }) => socket))
    for (const socket of sockets.values()) if (!busy.has(socket)) socket.destroySoon()
  }
}
