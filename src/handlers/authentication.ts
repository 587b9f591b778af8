/** Who may read: every route asks for a bearer token (RFC 6750) but those that are open to anybody. */
import type { Subscriber } from '../bus/process-bus.ts'
import { checkToken, httpRoutes } from '../channels.ts'
import { Sensitive } from '../secret.ts'

/** No token, or one that is not known. */
class Unauthorized extends Error {
  readonly code = 'UNAUTHORIZED'
}

/** The name of the scheme may be written in any case: https://www.rfc-editor.org/rfc/rfc9110#section-11.1. */
const credentials = /^bearer +([\w.~+/-]+=*) *$/i

/** https://www.rfc-editor.org/rfc/rfc6750#section-3: a reason only where a token was given. */
const challenge = 'Bearer realm="secret-bus"'

export const authentication = (): Subscriber => (bus) => {
  const check = bus.requester(checkToken)

  bus.subscribe(httpRoutes, (app) => {
    app.addHook('onRequest', async (request, reply) => {
      if (request.routeOptions.config.open) return
      const { authorization } = request.headers
      const [, token] = credentials.exec(authorization ?? '') ?? []
      if (token && (await check({ token: new Sensitive(token) }, { id: request.id }))) return
      reply.header('www-authenticate', authorization ? `${challenge}, error="invalid_token"` : challenge)
      throw new Unauthorized(authorization ? 'the token is not known' : 'there is no token')
    })
  })
}
