/** What a client is told whose bytes never became a request. There is no reply object yet, only the socket. */
import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { problemOf, RequestError } from '../problem.ts'

/** By Node's code of the error; anything else is a bad request. */
const statuses: ReadonlyMap<string | undefined, number> = new Map([
  ['HPE_HEADER_OVERFLOW', 431],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
])

/** Codes of a TLS handshake that failed: nothing can be said on such a connection. */
const noTls = /^(ERR_SSL|ERR_TLS|EPROTO)/

/** How long the client has to read the reply, in milliseconds, before the connection is gone, whatever it still sends. */
const lingering = 1_000

/** Where Node keeps the reply that comes next on a connection. Its own handler of such errors looks at it, too. */
interface Serving {
  readonly _httpMessage?: ServerResponse | null
}

/** Says what is wrong, as a problem (RFC 9457) like every other, and closes. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket & Serving): void {
  if (socket.writableEnded) return // was told before
  if (!socket.writable || noTls.test(error.code ?? '')) {
    socket.destroy()
    return
  }
  const reply = socket._httpMessage
  if (reply?.req.complete) {
    // A request that came before what is wrong is still to be answered: that is the last reply.
    reply.shouldKeepAlive = false
    reply.once('close', () => socket.destroySoon()) // its head may have been sent, saying otherwise
    return
  }
  const id = randomUUID()
  const fault = new RequestError(statuses.get(error.code) ?? 400, 'The request could not be read as HTTP.')
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
  const gone = setTimeout(() => socket.destroy(), lingering)
  socket.once('close', () => clearTimeout(gone))
}
