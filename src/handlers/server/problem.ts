/** What a client is told of an error: RFC 9457, and nothing of what lies behind the service. The log has the cause. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { STATUS_CODES } from './node/node-http.ts'

interface Kind {
  readonly status: number
  /** https://www.rfc-editor.org/rfc/rfc9457#section-3.1.1; `about:blank` is for what the status says by itself. */
  readonly type: string
  readonly title: string
  readonly detail: string
}

/** By the `code` of the error. The statuses are those of RFC 9110, section 15, for a gateway. */
const kinds = {
  UNAUTHORIZED: problem(401, 'unauthorized', 'Unauthorized', 'The request needs a bearer token that is known.'),
  SECRET_NOT_FOUND: problem(404, 'secret-not-found', 'Secret not found', 'There is no secret of this name.'),
  SOURCE_STARTING: problem(503, 'starting', 'Starting', 'The service is not ready yet.'),
  SOURCE_THROTTLED: problem(503, 'source-throttled', 'Source throttled', 'The source is asked too often.'),
  SOURCE_TIMEOUT: problem(504, 'source-timeout', 'Source timed out', 'The source did not answer in time.'),
  BUS_REQUEST_TIMEOUT: problem(504, 'timeout', 'Timed out', 'The answer was not there in time.'),
  SOURCE_UNAVAILABLE: problem(502, 'source-unavailable', 'Source unavailable', 'The source cannot be reached.'),
  OVERLOADED: problem(503, 'overloaded', 'Overloaded', 'The service has too much to do.'),
  BUS_EXITING: problem(503, 'stopping', 'Stopping', 'The service is about to stop.'),
  RELOAD_FAILED: problem(500, 'reload-failed', 'Reload failed', 'Not everything could be read anew.'),
  SOURCE_REFUSED: problem(502, 'source-refused', 'Source refused', 'The source does not give the secret out.'),
}

const byCode: ReadonlyMap<unknown, Kind> = new Map(Object.entries(kinds))

/** The `code` of an error that has a type of problem of its own. */
export type ProblemCode = keyof typeof kinds

function problem(status: number, slug: string, title: string, detail: string): Kind {
  return { status, type: `urn:secret-bus:problem:${slug}`, title, detail }
}

/** The request itself is at fault, and the message tells the client how. */
export class RequestError extends Error {
  readonly statusCode: number

  /** @param statusCode from 400 to 499 */
  constructor(statusCode: number, message: string) {
    super(message)
    this.statusCode = statusCode
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

/** https://www.rfc-editor.org/rfc/rfc9457#section-3.1 */
export interface Problem extends Kind {
  /** The request id. */
  readonly instance: string
}

/** What the client is told of the error. */
export function problemOf(error: unknown, instance: string): Problem {
  const { type, title, status, detail } = byCode.get(described(error).code) ?? blank(error)
  return { type, title, status, detail, instance }
}

/**
 * Replies with the problem that the error is.
 * @param more members that this type of problem has beside those of every one
 */
export function replyWithProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  more: object = {},
): FastifyReply {
  const problem = { ...problemOf(error, request.id), ...more }
  const { retryAfter } = described(error)
  if (problem.status === 503 || typeof retryAfter === 'number') reply.header('retry-after', seconds(retryAfter))
  return reply.code(problem.status).header('cache-control', 'no-store').type('application/problem+json').send(problem)
}

/** Fastify and we say what is wrong with a request. What else has a status may come from anywhere, and is not told. */
function blank(error: unknown): Kind {
  const { code, statusCode, message } = described(error)
  const clientError = typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
  const told = clientError && (error instanceof RequestError || String(code).startsWith('FST_'))
  const status = told ? statusCode : 500
  const detail = told ? String(message).slice(0, 200) : 'The service failed. Its log says why.'
  return { status, type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', detail }
}

function described(error: unknown): Described {
  return typeof error === 'object' && error !== null ? error : {}
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3: whole seconds. */
function seconds(ms: unknown): number {
  return typeof ms === 'number' ? Math.max(1, Math.ceil(ms / 1000)) : 1
}
