/** Authentication and authorization on all routes except open ones, if a subscriber provides `client.identify`. */
import type { FastifyInstance } from 'fastify'
import { mandatory, type ProcessBus, type Subscriber } from '../../bus/process/process-bus.ts'
import { isError, messageOf } from '../../bus/thrown.ts'
import { httpRoutes, identifyClient } from '../../channels.ts'
import type { Client, Right } from '../../client.ts'
import { Sensitive } from '../../secret.ts'
import { hookPriority } from '../server/hook-priority.ts'
import { watched } from '../server/node/response.ts'
import { certificateIdentities } from '../server/tls/client-certificate.ts'
import { callOf } from '../trace-context.ts'
import { setClient } from './client-of.ts'
import { ClientRates } from './client-rates.ts'

/** The request has no token, or an unknown one. */
class Unauthorized extends Error {
  readonly code = 'UNAUTHORIZED'
}

/** The client is known, but does not have the right that the route needs. */
class Forbidden extends Error {
  readonly code = 'FORBIDDEN'

  constructor(right: Right) {
    super(`The client does not have the right ${right}`)
  }
}

/** The client makes more requests than its rate allows. */
class RateLimited extends Error {
  readonly code = 'RATE_LIMITED'
  readonly retryAfter: number

  /** @param retryAfter time in milliseconds until a request will be accepted */
  constructor(retryAfter: number) {
    super('The client exceeds its rate of requests')
    this.retryAfter = retryAfter
  }
}

/** Whether a subscriber provides `client.identify`: the built-in one, if clients are configured, or a plugin. */
export function isAuthenticated(bus: ProcessBus): boolean {
  return bus.topology().some(({ channel, handlers }) => channel === identifyClient.name && handlers.length > 0)
}

/** @param options.required whether the process must not start without a provider; true by default */
export const authentication = ({ required = true }: { readonly required?: boolean } = {}): Subscriber =>
  mandatory((bus) => {
    if (required) bus.requester(identifyClient)
    /** https://www.rfc-editor.org/rfc/rfc6750#section-3 */
    const bearerChallenge = `Bearer realm="${bus.service.name}"`
    /**
     * Additional challenge of pages: browsers prompt for a password, which is the token. The user name is ignored.
     * https://www.rfc-editor.org/rfc/rfc7617#section-2
     */
    const basicChallenge = `Basic realm="${bus.service.name}", charset="UTF-8"`

    const addHook = (app: FastifyInstance) => {
      if (!isAuthenticated(bus)) return
      const identify = bus.requester(identifyClient)
      const rates = new ClientRates()
      app.addHook('onRequest', (request, reply, done) => {
        const { open, browser = false, needs } = watched(reply).config
        if (open) return done()
        const { scheme, token } = credentialsIn(request.headers.authorization, browser)
        const certificate = certificateIdentities(request)
        const reject = () => {
          // No error code unless the request has a bearer token: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
          const challenge = scheme === 'bearer' ? `${bearerChallenge}, error="invalid_token"` : bearerChallenge
          reply.header('www-authenticate', browser ? [challenge, basicChallenge] : challenge)
          const known = token ? 'token' : 'certificate'
          done(new Unauthorized(token || certificate?.length ? `Unknown ${known}` : 'Missing token'))
        }
        if (!token && !certificate?.length) return reject()
        // `done(null)` would admit the request.
        const onError = (cause: unknown) =>
          done(isError(cause) ? cause : new Error(`Failed to identify the client: ${messageOf(cause)}`, { cause }))
        const onAnswer = (client: unknown) => {
          if (!isClient(client)) return reject()
          setClient(request, client)
          const wait = client.rate === undefined ? 0 : rates.take(client.name, client.rate)
          if (wait > 0) return done(new RateLimited(wait))
          if (needs === undefined || client.may.has(needs)) return done()
          // https://www.rfc-editor.org/rfc/rfc6750#section-3.1
          reply.header('www-authenticate', `${bearerChallenge}, error="insufficient_scope"`)
          done(new Forbidden(needs))
        }
        const credentials = { token: token ? new Sensitive(token) : undefined, certificate }
        identify(credentials, callOf(request)).then(onAnswer, onError)
      })
    }
    bus.subscribe(httpRoutes, addHook, { priority: hookPriority.authentication })
  })

/** Checks what admits the request, because the provider of a plugin may return any value. */
function isClient(answer: unknown): answer is Client {
  if (typeof answer !== 'object' || answer === null) return false
  const { name, may, mayRead, rate }: Partial<Client> = answer
  const isRate = rate === undefined || (typeof rate === 'number' && rate > 0)
  return typeof name === 'string' && may instanceof Set && typeof mayRead === 'function' && isRate
}

interface HeaderCredentials {
  readonly scheme?: 'bearer' | 'basic'
  readonly token?: string | undefined
}

/** The scheme is case-insensitive: https://www.rfc-editor.org/rfc/rfc9110#section-11.1. */
function credentialsIn(authorization = '', browser: boolean): HeaderCredentials {
  const [, token] = /^bearer +(.+)/i.exec(authorization) ?? []
  if (token) return { scheme: 'bearer', token }
  const [, pair] = (browser && /^basic +(.+)/i.exec(authorization)) || []
  if (!pair) return {}
  const [, password] = /:(.*)/s.exec(Buffer.from(pair, 'base64').toString()) ?? []
  return { scheme: 'basic', token: password }
}
