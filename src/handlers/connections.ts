/**
 * The open connections of an HTTP server, so that a stop is not held up by those on which nobody waits for an answer. Node's
 * own `closeIdleConnections` leaves alone whoever has sent nothing yet, or half a request.
 */
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

export class Connections {
  /** By the client's end, since a connection with TLS is two sockets: first the plain one, then the one that reads it. */
  readonly #sockets = new Map<string, Socket>()
  readonly #requests = new Set<IncomingMessage>()
  #closing = false

  constructor(server: Server) {
    // Node calls it on close, and takes a connection for idle whose reply is still on its way: that would break off.
    server.closeIdleConnections = () => {}
    const add = (socket: Socket) => {
      const client = `${socket.remoteAddress} ${socket.remotePort}`
      this.#sockets.set(client, socket)
      socket.once('close', () => {
        if (this.#sockets.get(client) === socket) this.#sockets.delete(client)
      })
    }
    server.on('connection', add)
    server.on('secureConnection', add)
    server.on('request', (request, response) => {
      this.#requests.add(request)
      response.once('close', () => {
        this.#requests.delete(request)
        if (this.#closing && request.socket.writable) request.socket.destroySoon()
      })
    })
  }

  /** Closes each connection as soon as no request that came whole is being answered on it. */
  close(): void {
    this.#closing = true
    const whole = [...this.#requests].filter(({ complete }) => complete)
    const busy = new Set(whole.map(({ socket }) => socket))
    for (const socket of this.#sockets.values()) {
      if (!busy.has(socket)) socket.destroySoon()
    }
  }
}
