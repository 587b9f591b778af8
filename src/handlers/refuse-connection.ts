/** What a client is told whose bytes never became a request. There is no reply object yet, only the socket. */
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { FaultyRequest, problemOf } from './problem.ts'

/** By Node's code of the error; anything else is a bad request. */
const statuses: ReadonlyMap<string | undefined, number> = new Map([
  ['HPE_HEADER_OVERFLOW', 431],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
])

/** Codes of a TLS handshake that failed: nothing can be said on such a connection. */
const noTls = /^(ERR_SSL|ERR_TLS|EPROTO)/

/** How long the client has to read the reply, in milliseconds, before the connection is gone. */
const lingering = 1_000

/** Says what is wrong, as a problem (RFC 9457) like every other, and closes. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || noTls.test(error.code ?? '')) {
    socket.destroy()
    return
  }
  const id = randomUUID()
  const fault = new FaultyRequest(statuses.get(error.code) ?? 400, 'The request could not be read as HTTP.')
  const problem = problemOf(fault, id)
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'connection: close',
    'cache-control: no-store',
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${id}`,
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  // The client may keep its side open for ever.
  socket.setTimeout(lingering, () => socket.destroy())
}
