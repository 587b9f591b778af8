/** Error responses as problem details (RFC 9457). They reveal nothing about the backend; causes go to the log. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import { codeOf, isInstance, isParseError, propertyOf } from '../../bus/thrown.ts'
import type { ProblemDeclaration } from '../../channels.ts'
import { errorHeaders, errorStatus } from './error-status.ts'
import { STATUS_CODES } from './node/node-http.ts'
import {
  combineProblems,
  type DeclaredProblems,
  type ProblemType,
  problemTypes,
  serverProblems,
} from './problem-types.ts'
import { RequestError } from './request-error.ts'

/** https://www.rfc-editor.org/rfc/rfc9457#section-3.1 */
export interface Problem {
  /** `about:blank` adds nothing to the status. */
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  /** The request id. */
  readonly instance: string
}

type RouteProblems = Readonly<Record<string, ProblemDeclaration>> | undefined

const key = Symbol('problems')

export class Problems {
  /** By error code. */
  readonly #types: ReadonlyMap<string, ProblemType>
  readonly #prefix: string
  readonly #ofRoutes = new WeakMap<object, ReadonlyMap<string, ProblemType>>()
  /** The codes for which a route declares a 4xx. */
  readonly #refusedByRoutes = new Set<string>()

  /** @throws InvalidProblem if a declaration is invalid or contradicts another one */
  constructor({ problemPrefix }: Pick<ServiceInfo, 'problemPrefix'>, declared: readonly DeclaredProblems[] = []) {
    this.#types = combineProblems(declared)
    this.#prefix = problemPrefix
  }

  /** Those of the server that these routes belong to. */
  static of(app: FastifyInstance): Problems {
    return app.getDecorator<Problems>(key)
  }

  /** Makes them those of the server. */
  install(app: FastifyInstance): void {
    app.decorate(key, this as Problems)
    app.addHook('onRoute', ({ config }) => {
      for (const [code, { status }] of Object.entries(config?.problems ?? {}))
        if (status < 500) this.#refusedByRoutes.add(code)
    })
  }

  /** The error codes for which subscribers have declared a problem type. */
  get declared(): readonly string[] {
    return [...this.#types.keys()].filter((code) => !Object.hasOwn(serverProblems, code))
  }

  /** The problem type of an error code, if there is one. */
  typeOf(code: unknown, route?: RouteProblems): ProblemType | undefined {
    if (typeof code !== 'string') return undefined
    return (route && this.#typesOf(route).get(code)) ?? this.#types.get(code)
  }

  /**
   * Returns the problem details that the client receives for an error.
   * @param chosen the status of the reply, which the handler may have set
   */
  problemOf(error: unknown, instance: string, chosen?: number, route?: RouteProblems): Problem {
    const type = this.typeOf(codeOf(error), route)
    if (!type) return genericProblem(error, instance, chosen)
    const { slug, title, status, detail } = type
    return { type: this.#prefix + slug, title, status, detail, instance, ...membersOf(error, type) }
  }

  /** Whether an error is the client's fault: its response is a 4xx, on any route. */
  isRefusal(error: unknown): boolean {
    const code = codeOf(error)
    if (typeof code === 'string' && this.#refusedByRoutes.has(code)) return true
    return (this.typeOf(code)?.status ?? errorStatus(error, undefined).status) < 500
  }

  /** Sends an error as problem details. */
  reply(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const route = request.routeOptions.config.problems
    const problem = this.problemOf(error, request.id, reply.statusCode, route)
    const retryAfter = propertyOf(error, 'retryAfter')
    const { retryAfter: allowed = problem.status === 503 } = this.typeOf(codeOf(error), route) ?? { retryAfter: true }
    if (allowed && typeof retryAfter === 'number') reply.header('retry-after', seconds(retryAfter))
    for (const [name, value] of errorHeaders(error)) if (!reply.hasHeader(name)) reply.header(name, value)
    if (problem.status === 503 && !reply.hasHeader('retry-after')) reply.header('retry-after', 1)
    reply.code(problem.status).header('cache-control', 'no-store').type('application/problem+json')
    // A buffer, because the response schemas and the serializer of the route apply to anything else.
    return reply.send(Buffer.from(JSON.stringify(problem)))
  }

  #typesOf(route: NonNullable<RouteProblems>): ReadonlyMap<string, ProblemType> {
    const known = this.#ofRoutes.get(route)
    if (known) return known
    const types = new Map(problemTypes('The route', route))
    this.#ofRoutes.set(route, types)
    return types
  }
}

/** The declared members of an error, which are its properties or those of its `members`. */
function membersOf(error: unknown, { members = {} }: ProblemType): Record<string, unknown> {
  const given = propertyOf(error, 'members')
  const entries = Object.keys(members).map((name) => {
    const member = propertyOf(given, name)
    const value = member === undefined ? propertyOf(error, name) : member // null is a value
    return [name, isJson(value) ? value : undefined] as const
  })
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

function isJson(value: unknown): boolean {
  try {
    return JSON.stringify(value) !== undefined
  } catch {
    return false
  }
}

/**
 * The problem details of an error without a problem type of its own. Only messages that are meant for clients are safe
 * to send: those of Fastify, of RequestError and of http-errors.
 */
export function genericProblem(error: unknown, instance: string, chosen?: number): Problem {
  const isRequestError = isInstance(error, RequestError)
  const { status, upstream } = errorStatus(error, isRequestError ? undefined : chosen)
  const safe = propertyOf(error, 'expose') === true || (status < 500 && String(codeOf(error)).startsWith('FST_'))
  const detail = (safe && !upstream && readableMessage(error)) || withheld(status, upstream)
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail, instance }
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
