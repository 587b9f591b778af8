/**
 * Support for `optimizeEmptyRequests` (https://nodejs.org/api/http.html): for a request without a body, Node.js
 * then creates no stream. These functions provide the stream behavior that Fastify relies on.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Whether the request has no body: https://www.rfc-editor.org/rfc/rfc9112#section-6.3 */
function isEmpty({ headers }: IncomingMessage): boolean {
  return !('content-length' in headers || 'transfer-encoding' in headers)
}

/** Removes the content type of an empty request: Fastify would wait for its body. Call when the request arrives. */
export function removeUnusedContentType(request: IncomingMessage): void {
  if ('content-type' in request.headers && isEmpty(request)) delete request.headers['content-type']
}

/**
 * Emits the events of a finished stream, on which Fastify's `onRequestAbort` and `request.signal` depend. Call when the
 * response has been sent or can no longer be sent.
 */
export function emitRequestEnd({ req: request, writableFinished }: ServerResponse): void {
  if (!isEmpty(request)) return // Node.js emits them
  if (!writableFinished) {
    request.aborted = true
    request.emit('aborted')
  }
  request.emit('close')
}
