/** Responds to data that is not a valid request. Node.js provides no response object for it, only the socket. */
import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { genericProblem } from '../problem.ts'
import { RequestError } from '../request-error.ts'

/** Response statuses by the error code of Node.js. Other codes mean 400. */
const statuses: ReadonlyMap<string | undefined, number> = new Map([
  ['HPE_HEADER_OVERFLOW', 431],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
])

/** Error codes of a failed TLS handshake, after which nothing can be sent. */
const handshakeError = /^(ERR_SSL|ERR_TLS|EPROTO)/

/** Time for the client to read the response, in milliseconds. The connection is then closed, even if data arrives. */
const lingerTimeout = 1_000

/** The pending response of a connection. Internal to Node.js, whose default handler of these errors uses it as well. */
interface Serving {
  readonly _httpMessage?: ServerResponse | null
}

/** Sends problem details (RFC 9457) and closes the connection. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket & Serving): void {
  if (socket.writableEnded) return // already rejected
  if (!socket.writable || handshakeError.test(error.code ?? '')) {
    socket.destroy()
    return
  }
  const reply = socket._httpMessage
  if (reply?.req.complete) {
    // An earlier request is still pending. Its response is the last one on this connection.
    reply.shouldKeepAlive = false
    reply.once('close', () => socket.destroySoon()) // in case its head, with keep-alive, has already been sent
    return
  }
  const id = randomUUID()
  const requestError = new RequestError(statuses.get(error.code) ?? 400, 'The request is not valid HTTP.')
  const problem = genericProblem(requestError, id)
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'connection: close',
    'cache-control: no-store',
    'x-content-type-options: nosniff',
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${id}`,
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  const timer = setTimeout(() => socket.destroy(), lingerTimeout)
  socket.once('close', () => clearTimeout(timer))
}
