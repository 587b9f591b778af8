/**
 * Requests without a body, as nearly all are. Node need not make streams of them (`optimizeEmptyRequests` of
 * https://nodejs.org/api/http.html), which saves a part of what each reply costs. It then says nothing of their end either,
 * for which Fastify's `onRequestAbort` and `request.signal` wait, so it is told here.
 */
import type { ServerResponse } from 'node:http'

/** To be called when the reply is through, or cannot be sent any more. */
export function tellEndOfRequest({ req: request, writableFinished }: ServerResponse): void {
  if ('content-length' in request.headers || 'transfer-encoding' in request.headers) return // Node tells it
  if (!writableFinished) {
    request.aborted = true
    request.emit('aborted')
  }
  request.emit('close')
}
