/**
 * The documentation of a route's replies. It is separate from the response schema, because Fastify serializes with that
 * schema and drops all properties that it does not declare.
 */
import { type Problem, type ProblemCode, problemOf } from '../server/problem.ts'
import { exampleId, type HeaderName } from './components.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly documentation?: RouteDocumentation
  }
}

export interface RouteDocumentation {
  /** Schema of the path parameters. */
  readonly params?: object
  readonly replies?: readonly DocumentedReply[]
  /** The problems of this route, in addition to those common to all. */
  readonly problems?: readonly DocumentedProblem[]
}

export interface DocumentedReply {
  readonly status: number
  readonly description: string
  readonly mediaType: string
  readonly schema: object
  /** Examples by name. */
  readonly examples: Readonly<Record<string, Example>>
  /** Headers in addition to `X-Request-Id`, which every reply has. */
  readonly headers: readonly HeaderName[]
}

export interface Example {
  readonly summary: string
  readonly value: unknown
}

/** The code of an error, an example of the error, or a code with the additional members of its problem type. */
export type DocumentedProblem = ProblemCode | Error | ProblemWithMembers

interface ProblemWithMembers {
  readonly code: ProblemCode
  /** Schemas by name. */
  readonly members: Readonly<Record<string, object>>
  readonly example: object
}

const anyProblem = { $ref: '#/components/schemas/Problem' }

/** Documents the reply to a request that fails with this error. */
export function problemReply(documented: DocumentedProblem): DocumentedReply {
  const error = typeof documented === 'string' ? { code: documented } : documented
  const problem = problemOf(error, exampleId)
  const { members, example } = 'members' in error ? error : { members: undefined, example: undefined }
  return {
    status: problem.status,
    description: `${problem.title}: ${problem.detail}`,
    mediaType: 'application/problem+json',
    schema: members ? { allOf: [anyProblem, { type: 'object', properties: members }] } : anyProblem,
    examples: { [nameOf(problem)]: { summary: problem.title, value: { ...problem, ...example } } },
    headers: ['Cache-Control', ...headersOf(problem)],
  }
}

/** A name for the example, unique per status. `about:blank` is shared by many problems, so these are named by title. */
function nameOf({ type, title }: Problem): string {
  return type === 'about:blank' ? title.toLowerCase().replaceAll(' ', '-') : type.slice(type.lastIndexOf(':') + 1)
}

function headersOf({ status, type }: Problem): HeaderName[] {
  if (status === 401) return ['WWW-Authenticate']
  return status === 503 || type.includes(':source-') ? ['Retry-After'] : []
}
