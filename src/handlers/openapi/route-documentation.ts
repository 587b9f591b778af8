/**
 * What a route says of its replies, for the API's documentation. It is apart from the route's schema because nothing is checked
 * or written by it: a schema of a reply would drop whatever it does not name.
 */

import { type Problem, type ProblemCode, problemOf } from '../server/problem.ts'
import { exampleId, type HeaderName } from './components.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly documentation?: RouteDocumentation
  }
}

export interface RouteDocumentation {
  /** The names in the path, as a schema. */
  readonly params?: object
  readonly replies?: readonly DocumentedReply[]
  /** What it may fail with, beside what every route may. */
  readonly problems?: readonly DocumentedProblem[]
}

export interface DocumentedReply {
  readonly status: number
  readonly description: string
  readonly mediaType: string
  readonly schema: object
  /** By name. */
  readonly examples: Readonly<Record<string, Example>>
  /** Beside `X-Request-Id`, which every reply has. */
  readonly headers: readonly HeaderName[]
}

export interface Example {
  readonly summary: string
  readonly value: unknown
}

/** The code of an error, or an error such as is thrown; if its type of problem has members of its own, together with them. */
export type DocumentedProblem = ProblemCode | Error | ProblemWithMembers

interface ProblemWithMembers {
  readonly code: ProblemCode
  /** Their schemas, by name. */
  readonly members: Readonly<Record<string, object>>
  readonly example: object
}

const anyProblem = { $ref: '#/components/schemas/Problem' }

/** The reply to a request that fails like this. */
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

/** Of one status there may be several examples. `about:blank` is one type of many problems. */
function nameOf({ type, title }: Problem): string {
  return type === 'about:blank' ? title.toLowerCase().replaceAll(' ', '-') : type.slice(type.lastIndexOf(':') + 1)
}

function headersOf({ status, type }: Problem): HeaderName[] {
  if (status === 401) return ['WWW-Authenticate']
  return status === 503 || type.includes(':source-') ? ['Retry-After'] : []
}
