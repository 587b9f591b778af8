/** Error responses as problem details (RFC 9457). They reveal nothing about the backend; causes go to the log. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { codeOf, isInstance, isParseError, propertyOf } from '../../bus/thrown.ts'
import { errorHeaders, errorStatus } from './error-status.ts'
import { STATUS_CODES } from './node/node-http.ts'

interface ProblemType {
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
  BUS_LISTENER_TIMEOUT: problem(504, 'timeout', 'Timed out', 'A subscriber did not finish in time.'),
  SOURCE_UNAVAILABLE: problem(502, 'source-unavailable', 'Source unavailable', 'The source is unavailable.'),
  OVERLOADED: problem(503, 'overloaded', 'Overloaded', 'The service is overloaded.'),
  BUS_CHANNEL_OVERLOADED: problem(503, 'overloaded', 'Overloaded', 'The service is overloaded.'),
  BUS_EXITING: problem(503, 'stopping', 'Stopping', 'The service is shutting down.'),
  RELOAD_FAILED: problem(500, 'reload-failed', 'Reload failed', 'Some subscribers failed to reload.'),
  SOURCE_REFUSED: problem(502, 'source-refused', 'Source refused', 'The source refused to return the secret.'),
}

const byCode: ReadonlyMap<unknown, ProblemType> = new Map(Object.entries(kinds))

/** The `code` of an error that has a specific problem type. */
export type ProblemCode = keyof typeof kinds

function problem(status: number, slug: string, title: string, detail: string): ProblemType {
  return { status, type: `urn:secret-bus:problem:${slug}`, title, detail }
}

/** An invalid request. The message is sent to the client. */
export class RequestError extends Error {
  readonly statusCode: number
  readonly expose = true

  /** @param statusCode between 400 and 499 */
  constructor(statusCode: number, message: string) {
    super(message)
    this.statusCode = statusCode
  }
}

/** https://www.rfc-editor.org/rfc/rfc9457#section-3.1 */
export interface Problem extends ProblemType {
  /** The request id. */
  readonly instance: string
}

/**
 * Returns the problem details that the client receives for an error.
 * @param chosen the status of the reply, which the handler may have set
 */
export function problemOf(error: unknown, instance: string, chosen?: number): Problem {
  const { type, title, status, detail } = byCode.get(codeOf(error)) ?? genericProblem(error, chosen)
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
  const problem = { ...problemOf(error, request.id, reply.statusCode), ...extensions }
  const retryAfter = propertyOf(error, 'retryAfter')
  if (typeof retryAfter === 'number') reply.header('retry-after', seconds(retryAfter))
  for (const [name, value] of errorHeaders(error)) if (!reply.hasHeader(name)) reply.header(name, value)
  if (problem.status === 503 && !reply.hasHeader('retry-after')) reply.header('retry-after', 1)
  reply.code(problem.status).header('cache-control', 'no-store').type('application/problem+json')
  // A buffer, because the response schemas and the serializer of the route apply to anything else.
  return reply.send(Buffer.from(JSON.stringify(problem)))
}

/** Only messages that are meant for clients are safe to send: those of Fastify, of RequestError and of http-errors. */
function genericProblem(error: unknown, chosen: number | undefined): ProblemType {
  const isRequestError = isInstance(error, RequestError)
  const { status, upstream } = errorStatus(error, isRequestError ? undefined : chosen)
  const safe = propertyOf(error, 'expose') === true || (status < 500 && String(codeOf(error)).startsWith('FST_'))
  const detail = (safe && !upstream && readableMessage(error)) || withheld(status, upstream)
  return { status, type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', detail }
}

/** The message of a parse error quotes its input. */
function readableMessage(error: unknown): string | undefined {
  const message = propertyOf(error, 'message')
  return typeof message === 'string' && !isParseError(error) ? message.slice(0, 200) : undefined
}

function withheld(status: number, upstream: boolean): string {
  if (status < 500) return 'The request was refused.'
  return upstream ? 'An upstream service failed.' : 'The service failed to handle the request.'
}

/** Rounds up to whole seconds, at least one: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3 */
function seconds(ms: number): number {
  return Number.isFinite(ms) ? Math.max(1, Math.ceil(ms / 1000)) : 1
}
