/** Who may read: every route asks for a bearer token (RFC 6750) but those that are open to anybody. */
import type { Subscriber } from '../bus/process-bus.ts'
import { checkToken, httpRoutes } from '../channels.ts'
import { Sensitive } from '../secret.ts'

/** No token, or one that is not known. */
class Unauthorized extends Error {
  readonly code = 'UNAUTHORIZED'
}

/** The name of the scheme may be written in any case: https://www.rfc-editor.org/rfc/rfc9110#section-11.1. */
const bearer = /^bearer +(.+)/i

/** https://www.rfc-editor.org/rfc/rfc6750#section-3.1: an error only where a token was given, not for another scheme. */
const challenge = 'Bearer realm="secret-bus"'

export const authentication = (): Subscriber => (bus) => {
  const check = bus.requester(checkToken)

  bus.subscribe(httpRoutes, (app) => {
    app.addHook('onRequest', async (request, reply) => {
      if (request.routeOptions.config.open) return
      const [, token] = bearer.exec(request.headers.authorization ?? '') ?? []
      if (token && (await check({ token: new Sensitive(token) }, { id: request.id }))) return
      reply.header('www-authenticate', token ? `${challenge}, error="invalid_token"` : challenge)
      throw new Unauthorized(token ? 'the token is not known' : 'there is no token')
    })
  })
}
