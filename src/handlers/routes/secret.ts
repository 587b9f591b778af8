/** `GET /secret` and `GET /secret/:codeName`: parse, ask, reply. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { messageOf } from '../../bus/errors.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { getSecret, httpRoutes, type SecretAccess, secretAccessed } from '../../channels.ts'
import type { Freshness } from '../../secret.ts'
import { finalStatus } from '../server/node/response.ts'
import { Batch } from './batch.ts'
import { paths } from './secret.openapi.ts'

export interface SecretRoutesOptions {
  /** What `/secret` serves is the first. */
  readonly codeNames: readonly [string, ...string[]]
}

interface Route {
  Params: { codeName?: string }
}

/** How long an access may wait to be told with others, in milliseconds. */
const patience = 5

const failure = Symbol('failure')

/** A request, with why the secret was not given. It has that itself, and no name that a plug-in may want. */
type Asked = FastifyRequest & { [failure]?: string }

export const secretRoutes =
  ({ codeNames: [first] }: SecretRoutesOptions): Subscriber =>
  (bus) => {
    const ask = bus.requester(getSecret)
    const tell = bus.publisher(secretAccessed)

    const answer = async (request: FastifyRequest<Route>, reply: FastifyReply) => {
      const { codeName = first } = request.params
      const secret = await ask({ codeName }, { id: request.id })
      reply.header('cache-control', 'no-store').header('cache-status', cacheStatus(secret.freshness))
      return { secret_code: secret.value.reveal() }
    }

    const accesses = new Batch<SecretAccess>((access) => tell(access, { id: access.reqId }), patience)

    const watch = (request: Asked, reply: FastifyReply) => {
      const { id: reqId, ip } = request // when the client is gone, so is its address
      reply.raw.on('close', () => {
        const { codeName = first } = request.params as Route['Params'] // it is of these routes
        const status = finalStatus(reply.raw)
        const cache = reply.getHeader('cache-status')?.toString()
        accesses.add({ reqId, client: ip, codeName, status, cache, reason: request[failure] })
      })
    }

    bus.subscribe(httpRoutes, (app) => {
      // All has been answered then, and whoever is told has not stopped yet.
      app.addHook('onClose', () => accesses.flush())
      for (const [path, { schema, config }] of Object.entries(paths)) {
        app.get<Route>(path, {
          schema,
          config: { ...config, watch },
          handler: answer,
          onError: (request: FastifyRequest<Route> & Asked, _reply, error, done) => {
            request[failure] = messageOf(error)
            done()
          },
        })
      }
    })
  }

/** https://www.rfc-editor.org/rfc/rfc9211; the `ttl` of a stale secret is negative. */
function cacheStatus({ result, expiresAt }: Freshness): string {
  if (result === 'miss') return 'secret-bus; fwd=uri-miss'
  if (result === 'coalesced') return 'secret-bus; fwd=uri-miss; collapsed'
  if (expiresAt === Infinity) return 'secret-bus; hit'
  return `secret-bus; hit; ttl=${Math.floor((expiresAt - Date.now()) / 1000)}`
}
