/** Error responses as problem details (RFC 9457). They reveal nothing about the backend; causes go to the log. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { STATUS_CODES } from './node/node-http.ts'

interface Kind {
  readonly status: number
  /** https://www.rfc-editor.org/rfc/rfc9457#section-3.1.1; `about:blank` adds nothing to the status. */
  readonly type: string
  readonly title: string
  readonly detail: string
}

/** The problem types by error `code`. The statuses follow RFC 9110, section 15, for a gateway. */
const kinds = {
  UNAUTHORIZED: problem(401, 'unauthorized', 'Unauthorized', 'The request requires a valid bearer token.'),
  SECRET_NOT_FOUND: problem(404, 'secret-not-found', 'Secret not found', 'The secret does not exist.'),
  SOURCE_STARTING: problem(503, 'starting', 'Starting', 'The service is not ready yet.'),
  SOURCE_THROTTLED: problem(503, 'source-throttled', 'Source throttled', 'The source is throttling requests.'),
  SOURCE_TIMEOUT: problem(504, 'source-timeout', 'Source timed out', 'The source did not respond in time.'),
  BUS_REQUEST_TIMEOUT: problem(504, 'timeout', 'Timed out', 'The request timed out.'),
  SOURCE_UNAVAILABLE: problem(502, 'source-unavailable', 'Source unavailable', 'The source is unreachable.'),
  OVERLOADED: problem(503, 'overloaded', 'Overloaded', 'The service is overloaded.'),
  BUS_EXITING: problem(503, 'stopping', 'Stopping', 'The service is shutting down.'),
  RELOAD_FAILED: problem(500, 'reload-failed', 'Reload failed', 'Some subscribers failed to reload.'),
  SOURCE_REFUSED: problem(502, 'source-refused', 'Source refused', 'The source refused to return the secret.'),
}

const byCode: ReadonlyMap<unknown, Kind> = new Map(Object.entries(kinds))

/** The `code` of an error that has a specific problem type. */
export type ProblemCode = keyof typeof kinds

function problem(status: number, slug: string, title: string, detail: string): Kind {
  return { status, type: `urn:secret-bus:problem:${slug}`, title, detail }
}

/** An invalid request. The message is sent to the client. */
export class RequestError extends Error {
  readonly statusCode: number

  /** @param statusCode between 400 and 499 */
  constructor(statusCode: number, message: string) {
    super(message)
    this.statusCode = statusCode
  }
}

/** The properties that a thrown value may have. */
interface ErrorProperties {
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

/** Returns the problem details that the client receives for an error. */
export function problemOf(error: unknown, instance: string): Problem {
  const { type, title, status, detail } = byCode.get(propertiesOf(error).code) ?? blank(error)
  return { type, title, status, detail, instance }
}

/**
 * Sends an error as problem details.
 * @param extensions additional members of this problem type
 */
export function replyWithProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  extensions: object = {},
): FastifyReply {
  const problem = { ...problemOf(error, request.id), ...extensions }
  const { retryAfter } = propertiesOf(error)
  if (problem.status === 503 || typeof retryAfter === 'number') reply.header('retry-after', seconds(retryAfter))
  return reply.code(problem.status).header('cache-control', 'no-store').type('application/problem+json').send(problem)
}

/** Only the messages of Fastify's and this service's own client errors are safe to send. */
function blank(error: unknown): Kind {
  const { code, statusCode, message } = propertiesOf(error)
  const clientError = typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
  const safe = clientError && (error instanceof RequestError || String(code).startsWith('FST_'))
  const status = safe ? statusCode : 500
  const detail = safe ? String(message).slice(0, 200) : 'Internal error. See the service log.'
  return { status, type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', detail }
}

function propertiesOf(error: unknown): ErrorProperties {
  return typeof error === 'object' && error !== null ? error : {}
}

/** Rounds up to whole seconds, at least one: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3 */
function seconds(ms: unknown): number {
  return typeof ms === 'number' ? Math.max(1, Math.ceil(ms / 1000)) : 1
}
