/** What a client is told of an error: RFC 9457, and nothing of what lies behind the service. The log has the cause. */
import { STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'

interface Kind {
  readonly status: number
  /** https://www.rfc-editor.org/rfc/rfc9457#section-3.1.1; `about:blank` is for what the status says by itself. */
  readonly type: string
  readonly title: string
  readonly detail: string
}

/** By the `code` of the error. The statuses are those of RFC 9110, section 15, for a gateway. */
const kinds: ReadonlyMap<unknown, Kind> = new Map([
  ['SECRET_NOT_FOUND', problem(404, 'secret-not-found', 'Secret not found', 'There is no secret of this name.')],
  ['SOURCE_STARTING', problem(503, 'starting', 'Starting', 'The service is not ready yet.')],
  ['SOURCE_THROTTLED', problem(503, 'source-throttled', 'Source throttled', 'The source is asked too often.')],
  ['SOURCE_TIMEOUT', problem(504, 'source-timeout', 'Source timed out', 'The source did not answer in time.')],
  ['BUS_REQUEST_TIMEOUT', problem(504, 'timeout', 'Timed out', 'The answer was not there in time.')],
  ['SOURCE_UNAVAILABLE', problem(502, 'source-unavailable', 'Source unavailable', 'The source cannot be reached.')],
  ['SOURCE_REFUSED', problem(502, 'source-refused', 'Source refused', 'The source does not give the secret out.')],
])

function problem(status: number, slug: string, title: string, detail: string): Kind {
  return { status, type: `urn:secret-bus:problem:${slug}`, title, detail }
}

/** Nothing is served at this path. Its code begins like those of Fastify's own errors, and it is treated like them. */
export class NoSuchRoute extends Error {
  readonly code = 'FST_NO_SUCH_ROUTE'
  readonly statusCode = 404

  constructor() {
    super('There is nothing at this path.')
  }
}

/** A request of HTTP/1.1 must say for which host it is: https://www.rfc-editor.org/rfc/rfc9112#section-3.2 */
export class NoHost extends Error {
  readonly code = 'FST_NO_HOST'
  readonly statusCode = 400

  constructor() {
    super('The request has no Host header.')
  }
}

/** What is looked at in whatever was thrown; any of it may be missing. */
interface Described {
  readonly code?: unknown
  readonly message?: unknown
  readonly statusCode?: unknown
  /** In milliseconds. */
  readonly retryAfter?: unknown
}

/** Replies with the problem that the error is. */
export function replyWithProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error: Described = typeof thrown === 'object' && thrown !== null ? thrown : {}
  const { status, type, title, detail } = kinds.get(error.code) ?? blank(error)
  if (status === 503 || typeof error.retryAfter === 'number') reply.header('retry-after', seconds(error.retryAfter))
  return reply
    .code(status)
    .header('cache-control', 'no-store')
    .type('application/problem+json')
    .send({ type, title, status, detail, instance: request.id })
}

/** Fastify says what is wrong with a request. What else has a status may have come from anywhere, and is not told. */
function blank({ code, statusCode, message }: Described): Kind {
  const clientError = typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
  const told = clientError && String(code).startsWith('FST_')
  const status = told ? statusCode : 500
  const detail = told ? String(message).slice(0, 200) : 'The service failed. Its log says why.'
  return { status, type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', detail }
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3: whole seconds. */
function seconds(ms: unknown): number {
  return typeof ms === 'number' ? Math.max(1, Math.ceil(ms / 1000)) : 1
}
