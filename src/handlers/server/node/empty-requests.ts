/**
 * Requests without a body, as nearly all are. Node need not make streams of them (`optimizeEmptyRequests` of
 * https://nodejs.org/api/http.html), which saves a part of what each reply costs. What Fastify expects of a stream all the same
 * is made up for here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Whether no body is announced, so there is none: https://www.rfc-editor.org/rfc/rfc9112#section-6.3 */
function isEmpty({ headers }: IncomingMessage): boolean {
  return !('content-length' in headers || 'transfer-encoding' in headers)
}

/** Where there is a type, Fastify waits for a body. To be called when the request comes. */
export function removeTypeOfNoBody(request: IncomingMessage): void {
  if ('content-type' in request.headers && isEmpty(request)) delete request.headers['content-type']
}

/**
 * Fastify's `onRequestAbort` and `request.signal` wait for the end of the stream. To be called when the reply is through, or
 * cannot be sent any more.
 */
export function tellEndOfRequest({ req: request, writableFinished }: ServerResponse): void {
  if (!isEmpty(request)) return // Node tells it
  if (!writableFinished) {
    request.aborted = true
    request.emit('aborted')
  }
  request.emit('close')
}
