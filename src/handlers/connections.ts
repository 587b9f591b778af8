/**
 * The open connections of an HTTP server, so that a stop is not held up by those on which nobody waits for an answer. Node's
 * own `closeIdleConnections` leaves alone whoever has sent nothing yet, or half a request.
 */
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

export class Connections {
  readonly #sockets = new Set<Socket>()
  readonly #requests = new Set<IncomingMessage>()
  #closing = false

  constructor(server: Server) {
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('request', (request, response) => {
      this.#requests.add(request)
      response.once('close', () => {
        this.#requests.delete(request)
        if (this.#closing) request.socket.destroySoon()
      })
    })
  }

  /** Closes each connection as soon as no request that came whole is being answered on it. */
  close(): void {
    this.#closing = true
    const whole = [...this.#requests].filter(({ complete }) => complete)
    const busy = new Set(whole.map(({ socket }) => socket))
    for (const socket of this.#sockets) {
      if (!busy.has(socket)) socket.destroySoon()
    }
  }
}
