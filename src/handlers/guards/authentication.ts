/** Who may read: every route asks for a bearer token (RFC 6750) but those that are open to anybody. */
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { checkToken, httpRoutes } from '../../channels.ts'
import { Sensitive } from '../../secret.ts'

/** No token, or one that is not known. */
class Unauthorized extends Error {
  readonly code = 'UNAUTHORIZED'
}

/** What a refusal asks for: https://www.rfc-editor.org/rfc/rfc6750#section-3. */
const bearerChallenge = 'Bearer realm="secret-bus"'

/**
 * What it also asks for where a browser opens a page: the token as the password of any user.
 * https://www.rfc-editor.org/rfc/rfc7617#section-2
 */
const basicChallenge = 'Basic realm="secret-bus", charset="UTF-8"'

export const authentication = (): Subscriber => (bus) => {
  const check = bus.requester(checkToken)

  bus.subscribe(httpRoutes, (app) => {
    app.addHook('onRequest', (request, reply, done) => {
      const { open, browser = false } = request.routeOptions.config
      if (open) return done()
      const { scheme, token } = credentialsIn(request.headers.authorization, browser)
      const refuse = () => {
        // https://www.rfc-editor.org/rfc/rfc6750#section-3.1: an error only where a token was given, not for another scheme.
        const challenge = scheme === 'bearer' ? `${bearerChallenge}, error="invalid_token"` : bearerChallenge
        reply.header('www-authenticate', browser ? [challenge, basicChallenge] : challenge)
        done(new Unauthorized(token ? 'the token is not known' : 'there is no token'))
      }
      if (!token) return refuse()
      check({ token: new Sensitive(token) }, { id: request.id }).then((isKnown) => (isKnown ? done() : refuse()), done)
    })
  })
}

interface Credentials {
  readonly scheme?: 'bearer' | 'basic'
  readonly token?: string | undefined
}

/** The name of the scheme may be written in any case: https://www.rfc-editor.org/rfc/rfc9110#section-11.1. */
function credentialsIn(authorization = '', browser: boolean): Credentials {
  const [, token] = /^bearer +(.+)/i.exec(authorization) ?? []
  if (token) return { scheme: 'bearer', token }
  const [, pair] = (browser && /^basic +(.+)/i.exec(authorization)) || []
  if (!pair) return {}
  const [, password] = /:(.*)/s.exec(Buffer.from(pair, 'base64').toString()) ?? []
  return { scheme: 'basic', token: password }
}
