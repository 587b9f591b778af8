/**
 * Emits `close` on responses that were queued behind others on a connection that has closed. Node.js before 24.16, 25 and
 * 26.0 do not, so that their requests would stay pending forever: https://github.com/nodejs/node/pull/62534
 */
import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

const queued = Symbol('queued responses')

/** A connection with the responses that were queued when their requests arrived. */
interface Connection extends Socket {
  [queued]?: Set<ServerResponse>
}

export function closeQueuedResponses(server: Server): void {
  // Shared functions, because they are added to every queued response.
  function onSocketClose(this: Connection) {
    // Later, as newer versions of Node.js do. They have marked the responses as destroyed by now.
    for (const response of this[queued] ?? [])
      if (!response.socket && !response.destroyed) process.nextTick(close, response)
  }
  function onResponseClose(this: ServerResponse) {
    const socket: Connection = this.req.socket
    socket[queued]?.delete(this)
  }

  server.on('request', ({ socket }: { socket: Connection }, response) => {
    if (response.socket) return // Node.js closes it with the connection
    if (!socket[queued]) socket.once('close', onSocketClose)
    socket[queued] ??= new Set()
    socket[queued].add(response)
    response.once('close', onResponseClose)
  })
}

function close(response: ServerResponse): void {
  response.destroyed = true
  response.emit('close')
}
