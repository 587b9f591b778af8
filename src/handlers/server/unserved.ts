/** Replies to requests that no route serves: 404 for an unknown path, otherwise 405, or 204 for OPTIONS. */
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import router, { type HTTPMethod } from 'find-my-way'
import { Problems } from './problem.ts'
import { RequestError } from './request-error.ts'

/** Call before routes are added. */
export function replyToUnserved(app: FastifyInstance, options: { maxParamLength: number }): void {
  const methodsFor = servedMethods(app, options)
  const problems = Problems.of(app)

  const reply404 = (request: FastifyRequest, reply: FastifyReply) =>
    problems.reply(new RequestError(404, 'Resource not found.'), request, reply)

  /** @returns false if the path is unknown, or known for this method under another host or version */
  const replyToMethod = (request: FastifyRequest, reply: FastifyReply): boolean => {
    const methods = methodsFor(request)
    if (methods.length === 0 || methods.includes(request.method)) return false
    reply.header('allow', [...new Set([...methods, 'OPTIONS'])].sort().join(', '))
    // https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6
    if (request.method === 'OPTIONS') reply.code(204).send()
    else problems.reply(new RequestError(405, 'The resource does not support this method.'), request, reply)
    return true
  }

  // After all `onRequest` hooks, such as authentication, and before the body is read, so that an error in the body does
  // not hide the 404 or 405.
  app.addHook('preParsing', (request, reply, _payload, done) => {
    if (!request.is404) return done()
    if (replyToMethod(request, reply)) return
    if (request.server !== app) return done() // a plugin has its own handler for its paths
    reply404(request, reply)
  })
  app.setNotFoundHandler(reply404)
}

type Served = Required<Pick<RouteOptions, 'method' | 'url' | 'constraints'>>

/** Returns a function that finds the methods of a request's path, apart from OPTIONS; for `OPTIONS *`, of all paths. */
function servedMethods(app: FastifyInstance, options: { maxParamLength: number }) {
  const routes: Served[] = []
  app.addHook('onRoute', ({ method, url, constraints = {} }) => void routes.push({ method, url, constraints }))
  let built: ReturnType<typeof routerOf> | undefined

  return ({ method, raw: { url = '', headers } }: FastifyRequest): string[] => {
    built ??= routerOf(routes, options)
    const { paths, methods } = built
    if (url === '*') return method === 'OPTIONS' ? methods : [] // https://www.rfc-editor.org/rfc/rfc9110#section-9.3.7
    // These parts of a request are all that the router reads.
    return methods.filter((method) => paths.lookup({ method, url, headers } as IncomingMessage, undefined as never))
  }
}

/** A router that only reports whether a route exists; the router of Fastify would run it. */
function routerOf(routes: readonly Served[], options: { maxParamLength: number }) {
  const paths = router({ ...options, defaultRoute: () => false })
  const methods = new Set<HTTPMethod>()
  for (const { method, url, constraints } of routes) {
    // Constraints that a plugin has defined are ignored.
    const { host, version } = constraints
    const known = { constraints: { ...(host && { host }), ...(version && { version }) } }
    for (const one of [method].flat() as HTTPMethod[]) {
      if (one === ('OPTIONS' as HTTPMethod)) continue // a plugin may serve OPTIONS of any path
      methods.add(one)
      if (!paths.hasRoute(one, url, known.constraints)) paths.on(one, url, known, () => true)
    }
  }
  return { paths, methods: [...methods] }
}
