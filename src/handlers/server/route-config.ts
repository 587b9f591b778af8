/** The configuration of a route: `app.get(path, { config: { open: true } }, handler)`. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ProblemDeclaration } from '../../channels.ts'
import type { Right } from '../../client.ts'
import type { RouteDocumentation } from '../openapi/route-documentation.ts'

export interface RouteConfig {
  /** The route needs no credentials and is exempt from load shedding. */
  readonly open?: boolean
  /** The right that a client needs. Without it, every identified client may use the route. */
  readonly needs?: Right
  /** The route is a page for browsers, which can send a token only as a password. It must be read-only. */
  readonly browser?: boolean
  /** Called for each request to the route, including those rejected before the hooks of the route run. */
  readonly watch?: (request: FastifyRequest, reply: FastifyReply) => void
  /** Problem types of this route by error code. They take precedence over those declared on the bus. */
  readonly problems?: Readonly<Record<string, ProblemDeclaration>>
  readonly documentation?: RouteDocumentation
}

// In the same module as the exported type, so that programs that use the package see it.
declare module 'fastify' {
  interface FastifyContextConfig extends RouteConfig {}
}
