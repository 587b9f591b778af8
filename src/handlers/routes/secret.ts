/** `GET /secret` and `GET /secret/:codeName`. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Call } from '../../bus/call.ts'
import { messageOf } from '../../bus/errors.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { getSecret, httpRoutes, type SecretAccess, secretAccessed } from '../../channels.ts'
import type { Freshness } from '../../freshness.ts'
import { SecretNotFound } from '../../secret.ts'
import { clientOf } from '../guards/client-of.ts'
import { clientAddress } from '../server/client-address.ts'
import { finalStatus, onClosed } from '../server/node/response.ts'
import { callOf } from '../trace-context.ts'
import { Batch } from './batch.ts'
import { requestDirectives } from './request-directives.ts'
import { paths } from './secret.openapi.ts'

export interface SecretRoutesOptions {
  /** The code names; `/secret` serves the first. */
  readonly codeNames: readonly [string, ...string[]]
  /** Code names that are not served, although the cache knows them. */
  readonly privateCodeNames?: readonly string[]
}

interface Route {
  Params: { codeName?: string }
}

const failure = Symbol('failure')

/** A request with the reason of its failure. A symbol as the key cannot collide with a plugin's decorator. */
type SecretRequest = FastifyRequest & { [failure]?: string }

interface Audited {
  readonly access: SecretAccess
  readonly call: Call
}

export const secretRoutes =
  ({ codeNames: [first], privateCodeNames = [] }: SecretRoutesOptions): Subscriber =>
  (bus) => {
    const requestSecret = bus.requester(getSecret)
    const publishAccess = bus.publisher(secretAccessed)
    const identifier = bus.service.name
    const isPrivate = new Set(privateCodeNames)

    /** @throws SecretNotFound, so that a client cannot tell these secrets from one that does not exist */
    const checkScope = (request: FastifyRequest, codeName: string) => {
      if (isPrivate.has(codeName)) throw new SecretNotFound(codeName, 'is private')
      const client = clientOf(request)
      // A plugin's client may return any value.
      if (client && client.mayRead(codeName) !== true)
        throw new SecretNotFound(codeName, `is outside of the scope of client ${client.name}`)
    }

    const handler = async (request: FastifyRequest<Route>, reply: FastifyReply) => {
      const { codeName = first } = request.params
      checkScope(request, codeName)
      const directives = requestDirectives(request.headers['cache-control'])
      const secret = await requestSecret({ codeName, ...directives }, callOf(request))
      const { freshness } = secret
      reply
        .header('cache-control', 'no-store')
        .header('age', String(Math.floor(freshness.age / 1_000)))
        .header('cache-status', `${identifier}; ${cacheStatus(freshness)}`)
      return { secret_code: secret.value.reveal() }
    }

    const accesses = new Batch<Audited>(({ access, call }) => publishAccess(access, call))

    const watch = (request: SecretRequest, reply: FastifyReply) => {
      const { id: reqId } = request
      onClosed(reply.raw, () => {
        const { codeName = first } = request.params as Route['Params'] // `watch` is used by the secret routes only
        const status = finalStatus(reply.raw)
        const cache = reply.getHeader('cache-status')?.toString()
        const { name: client, token } = clientOf(request) ?? {}
        const address = clientAddress(request)
        const access = { reqId, client, address, token, codeName, status, cache, reason: request[failure] }
        accesses.add({ access, call: callOf(request) })
      })
    }

    bus.subscribe(httpRoutes, (app) => {
      // At this point all requests have been answered, and no listener has stopped yet.
      app.addHook('onClose', () => accesses.flush())
      for (const [path, { schema, config }] of Object.entries(paths)) {
        app.get<Route>(path, {
          schema,
          config: { ...config, watch },
          handler,
          onError: (request: FastifyRequest<Route> & SecretRequest, _reply, error, done) => {
            request[failure] = messageOf(error)
            done()
          },
        })
      }
    })
  }

/** https://www.rfc-editor.org/rfc/rfc9211; the `ttl` of a stale secret is negative. */
function cacheStatus({ result, forward, ttl }: Freshness): string {
  if (result === 'miss') return `fwd=${forward}`
  if (result === 'coalesced') return `fwd=${forward}; collapsed`
  return ttl === Infinity ? 'hit' : `hit; ttl=${Math.floor(ttl / 1_000)}`
}
