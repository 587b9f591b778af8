/** The problem types that subscribers declare, and those of the HTTP server itself. */
import { isDeepStrictEqual } from 'node:util'
import type { ProblemDeclaration } from '../../channels.ts'
import { ExitError } from '../../errors.ts'

/** What a subscriber has returned for `problems.declare`. A plugin may return anything. */
export interface DeclaredProblems {
  /** The subscriber's name. */
  readonly by: string
  readonly problems: unknown
}

export interface ProblemType extends ProblemDeclaration {
  /** The last part of the type. */
  readonly slug: string
}

/** The declaration of a problem type is invalid, or contradicts another one. */
export class InvalidProblem extends ExitError {
  override readonly name = 'InvalidProblem'
  readonly code = 'INVALID_PROBLEM'
  /** `EX_CONFIG` of sysexits.h. */
  readonly exitCode = 78
}

/**
 * The problem types of the HTTP server. The statuses follow RFC 9110, section 15, for a gateway: a secret or a source
 * that fails is not the client's fault. Routes may declare other types for the same codes; see `problems` in the
 * configuration of a route.
 */
export const serverProblems = {
  UNAUTHORIZED: { status: 401, title: 'Unauthorized', detail: 'The request requires a valid bearer token.' },
  FORBIDDEN: { status: 403, title: 'Forbidden', detail: 'The client does not have the right that the request needs.' },
  RATE_LIMITED: {
    status: 429,
    title: 'Too many requests',
    detail: 'The client exceeds its rate of requests.',
    retryAfter: true,
  },
  OVERLOADED: { status: 503, title: 'Overloaded', detail: 'The service is overloaded.' },
  BUS_CHANNEL_OVERLOADED: {
    slug: 'overloaded',
    status: 503,
    title: 'Overloaded',
    detail: 'The service is overloaded.',
  },
  BUS_REQUEST_TIMEOUT: { slug: 'timeout', status: 504, title: 'Timed out', detail: 'The request timed out.' },
  BUS_LISTENER_TIMEOUT: {
    slug: 'timeout',
    status: 504,
    title: 'Timed out',
    detail: 'A subscriber did not finish in time.',
  },
  BUS_EXITING: { slug: 'stopping', status: 503, title: 'Stopping', detail: 'The service is shutting down.' },
  RELOAD_FAILED: {
    status: 500,
    title: 'Reload failed',
    detail: 'Some subscribers failed to reload.',
    members: { failed: { type: 'array' }, reloaded: { type: 'array' } },
  },
  SECRET_NOT_FOUND: {
    slug: 'secret-missing',
    status: 502,
    title: 'Secret missing',
    detail: 'A secret that the service requires does not exist.',
  },
  SOURCE_STARTING: { slug: 'starting', status: 503, title: 'Starting', detail: 'The service is not ready yet.' },
  SOURCE_THROTTLED: { status: 503, title: 'Source throttled', detail: 'The source is throttling requests.' },
  SOURCE_TIMEOUT: {
    status: 504,
    title: 'Source timed out',
    detail: 'The source did not respond in time.',
    retryAfter: true,
  },
  SOURCE_UNAVAILABLE: {
    status: 502,
    title: 'Source unavailable',
    detail: 'The source is unavailable.',
    retryAfter: true,
  },
  SOURCE_REFUSED: {
    status: 502,
    title: 'Source refused',
    detail: 'The source refused the request.',
    retryAfter: true,
  },
} satisfies Record<string, ProblemDeclaration>

/**
 * Combines the declarations.
 * @throws InvalidProblem with the subscribers and the code
 */
export function combineProblems(declared: readonly DeclaredProblems[]): ReadonlyMap<string, ProblemType> {
  const types = new Map<string, { readonly by: string; readonly type: ProblemType }>()
  for (const { by, problems } of [{ by: 'http-server', problems: serverProblems }, ...declared]) {
    for (const [code, type] of problemTypes(by, problems)) {
      const known = types.get(code)
      if (known && isDeepStrictEqual(known.type, type)) continue
      if (known) throw new InvalidProblem(`Both ${known.by} and ${by} declare the problem ${code}`)
      const other = Array.from(types.values()).find((other) => other.type.slug === type.slug && other.by !== by)
      if (other) throw new InvalidProblem(`Both ${other.by} and ${by} declare a problem with the slug ${type.slug}`)
      types.set(code, { by, type })
    }
  }
  return new Map(Array.from(types, ([code, { type }]) => [code, type]))
}

/**
 * Validates declared problem types.
 * @throws InvalidProblem with the subscriber, the code and the reason
 */
export function problemTypes(by: string, problems: unknown): [code: string, type: ProblemType][] {
  if (problems === undefined) return []
  if (typeof problems !== 'object' || problems === null || Array.isArray(problems))
    throw new InvalidProblem(`${by} must declare problems as a record by code`)
  return Object.entries(problems).map(([code, declared]) => [code, problemType(by, code, declared)])
}

const members: ReadonlySet<string> = new Set<keyof ProblemDeclaration>([
  'status',
  'title',
  'detail',
  'slug',
  'retryAfter',
  'members',
])

/** https://www.rfc-editor.org/rfc/rfc9457#section-3.1 */
const standardMembers: ReadonlySet<string> = new Set(['type', 'title', 'status', 'detail', 'instance'])

function problemType(by: string, code: string, declared: unknown): ProblemType {
  const fail = (problem: string): never => {
    throw new InvalidProblem(`${by} declares the problem ${code}, ${problem}`)
  }
  if (!/^[A-Z][A-Z0-9_]*$/.test(code)) fail('whose code must be in upper case, such as UPSTREAM_DOWN')
  if (typeof declared !== 'object' || declared === null) return fail('which must be an object')
  const unknown = Object.keys(declared).find((member) => !members.has(member))
  if (unknown !== undefined) fail(`which has the unknown member ${unknown}; known are ${[...members].join(', ')}`)
  const type = declared as ProblemDeclaration // checked below
  const { status, title, detail, slug = code.toLowerCase().replaceAll('_', '-'), retryAfter = false } = type
  if (!(Number.isInteger(status) && status >= 400 && status <= 599))
    fail(`whose status must be a whole number from 400 to 599, received ${String(status)}`)
  for (const [name, value] of Object.entries({ title, detail }))
    if (typeof value !== 'string' || value === '') fail(`whose ${name} must be a text`)
  if (typeof slug !== 'string' || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(slug)) fail('whose slug must be in kebab case')
  if (typeof retryAfter !== 'boolean') fail('whose retryAfter must be true or false')
  if (
    type.members !== undefined &&
    (typeof type.members !== 'object' || type.members === null || Array.isArray(type.members))
  )
    fail('whose members must be a record of JSON schemas')
  const invalid = Object.entries(type.members ?? {}).find(
    ([name, schema]) => !/^[A-Za-z]\w{1,99}$/.test(name) || typeof schema !== 'object' || schema === null,
  )
  if (invalid) fail(`whose member ${invalid[0]} must have a name of letters and digits and a JSON schema`)
  const standard = Object.keys(type.members ?? {}).find((name) => standardMembers.has(name))
  if (standard !== undefined) fail(`whose member ${standard} must not have the name of a standard member`)
  return { ...type, slug }
}
