/** `GET /secret` and `GET /secret/:codeName`: parse, ask, reply. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Subscriber } from '../bus/process-bus.ts'
import { getSecret, httpRoutes } from '../channels.ts'
import type { Freshness } from '../secret.ts'

export interface SecretRoutesOptions {
  /** What `/secret` serves is the first. */
  readonly codeNames: readonly [string, ...string[]]
}

interface Route {
  Params: { codeName?: string }
}

const schema = {
  response: { 200: { type: 'object', required: ['secret_code'], properties: { secret_code: { type: 'string' } } } },
}

export const secretRoutes =
  ({ codeNames: [first] }: SecretRoutesOptions): Subscriber =>
  (bus) => {
    const ask = bus.requester(getSecret)

    const answer = async (request: FastifyRequest<Route>, reply: FastifyReply) => {
      const { codeName = first } = request.params
      const secret = await ask({ codeName }, { id: request.id })
      reply.header('cache-control', 'no-store').header('cache-status', cacheStatus(secret.freshness))
      return { secret_code: secret.value.reveal() }
    }

    /** The audit trail: who asked for what, and what became of it. */
    const audit = async (request: FastifyRequest<Route>, reply: FastifyReply) => {
      const { id: reqId, ip: client, params } = request
      const { codeName = first } = params
      const cache = reply.getHeader('cache-status')
      bus.log('info', 'Secret accessed', { reqId, client, codeName, status: reply.statusCode, cache })
    }

    bus.subscribe(httpRoutes, (app) => {
      for (const path of ['/secret', '/secret/:codeName']) {
        app.get<Route>(path, { schema, onResponse: audit }, answer)
      }
    })
  }

/** https://www.rfc-editor.org/rfc/rfc9211; the `ttl` of a stale secret is negative. */
function cacheStatus({ result, expiresAt }: Freshness): string {
  if (result === 'miss') return 'secret-bus; fwd=uri-miss'
  if (result === 'collapsed') return 'secret-bus; fwd=uri-miss; collapsed'
  if (expiresAt === Infinity) return 'secret-bus; hit'
  return `secret-bus; hit; ttl=${Math.floor((expiresAt - Date.now()) / 1000)}`
}
