/**
 * The documentation of a route's replies. It is separate from the response schema, because Fastify serializes with that
 * schema and drops all properties that it does not declare.
 */
import { codeOf } from '../../bus/thrown.ts'
import type { Problem, Problems } from '../server/problem.ts'
import type { RouteConfig } from '../server/route-config.ts'
import { exampleId, type HeaderName } from './components.ts'

export interface RouteDocumentation {
  /** The heading under which the operation is listed; or use `tags` of the schema. */
  readonly tag?: { readonly name: string; readonly description: string }
  /** Schema of the path parameters. */
  readonly params?: object
  /** Schema of the request headers that have a meaning for this route. They are not validated. */
  readonly headers?: object
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
  readonly examples?: Readonly<Record<string, Example>>
  /** Headers in addition to `X-Request-Id`, which every reply has. */
  readonly headers?: readonly HeaderName[]
}

export interface Example {
  readonly summary: string
  readonly value: unknown
}

/** The code of a problem type, an example of the error, or a code with an example of the additional members. */
export type DocumentedProblem = string | Error | ProblemWithMembers

interface ProblemWithMembers {
  readonly code: string
  /** Schemas by name, if they are more precise than those of the problem type. */
  readonly members?: Readonly<Record<string, object>>
  readonly example?: object
}

const anyProblem = { $ref: '#/components/schemas/Problem' }

/** The first documented problem whose code is neither declared on the bus nor by the route. */
export function undeclaredProblem({ documentation, problems: own }: RouteConfig, problems: Problems) {
  const codes = documentation?.problems?.map((problem) => (typeof problem === 'string' ? problem : codeOf(problem)))
  return codes?.find((code) => code !== undefined && !problems.typeOf(code, own))
}

/** Documents the reply to a request that fails with this error. */
export function problemReply(
  documented: DocumentedProblem,
  problems: Problems,
  { problems: own }: RouteConfig = {},
): DocumentedReply {
  const error = typeof documented === 'string' ? { code: documented } : documented
  const problem = problems.problemOf(error, exampleId, undefined, own)
  const type = problems.typeOf(codeOf(error), own)
  const { members = type?.members, example } = error instanceof Error ? {} : (error as Partial<ProblemWithMembers>)
  const retryAfter = problem.status === 503 || type?.retryAfter === true
  return {
    status: problem.status,
    description: `${problem.title}: ${problem.detail}`,
    mediaType: 'application/problem+json',
    schema: members ? { allOf: [anyProblem, { type: 'object', properties: members }] } : anyProblem,
    examples: { [nameOf(problem, error)]: { summary: problem.title, value: { ...problem, ...example } } },
    headers: [
      'Cache-Control',
      ...(problem.status === 401 || problem.status === 403 ? ['WWW-Authenticate' as const] : []),
      ...(retryAfter ? ['Retry-After' as const] : []),
    ],
  }
}

/** A name for the example, unique per status. `about:blank` is shared by many problems, so these are named by title. */
function nameOf({ type, title }: Problem, error: unknown): string {
  if (codeOf(error) === 'FST_ERR_VALIDATION') return 'invalid'
  return type === 'about:blank' ? title.toLowerCase().replaceAll(' ', '-') : type.slice(type.lastIndexOf(':') + 1)
}
