/** `GET /secret` and `GET /secret/:codeName`: parse, ask, reply. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { messageOf } from '../bus/errors.ts'
import type { Subscriber } from '../bus/process-bus.ts'
import { getSecret, httpRoutes, secretAccessed } from '../channels.ts'
import type { Freshness } from '../secret.ts'
import { clientClosedRequest } from './client-closed-request.ts'
import { FaultyRequest } from './problem.ts'
import type { DocumentedProblem, DocumentedReply } from './route-documentation.ts'

export interface SecretRoutesOptions {
  /** What `/secret` serves is the first. */
  readonly codeNames: readonly [string, ...string[]]
}

interface Route {
  Params: { codeName?: string }
}

const client = Symbol('client')
const failure = Symbol('failure')

/** A request, with what the audit trail is to be told of it. It has these itself, and no name that a plug-in may want. */
type Asked = FastifyRequest<Route> & {
  /** The client's address, noted when the request comes, unless it is refused at once: when the client is gone, so is that. */
  [client]?: string
  /** Why the secret was not given. */
  [failure]?: string
}

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

    const report = (request: Asked, status: number, reply?: FastifyReply) => {
      const { id, params, [client]: address = request.ip, [failure]: reason } = request
      const cache = reply?.getHeader('cache-status')?.toString()
      const access = { reqId: id, client: address, codeName: params.codeName ?? first, status, cache, reason }
      tell(access, { id }).catch(() => {}) // it was logged where it happened
    }

    bus.subscribe(httpRoutes, (app) => {
      for (const [path, documented] of Object.entries(paths)) {
        app.get<Route>(path, {
          ...documented,
          handler: answer,
          onRequest: (request: Asked, _reply, done) => {
            request[client] = request.ip
            done()
          },
          onError: (request: Asked, _reply, error, done) => {
            request[failure] = messageOf(error)
            done()
          },
          onResponse: (request, reply, done) => {
            report(request, reply.statusCode, reply)
            done()
          },
          onRequestAbort: (request, done) => {
            report(request, clientClosedRequest)
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

const body = { type: 'object', required: ['secret_code'], properties: { secret_code: { type: 'string' } } }

const replies: DocumentedReply[] = [
  {
    status: 200,
    description: 'The secret.',
    mediaType: 'application/json',
    schema: body,
    examples: { secret: { summary: 'A secret', value: { secret_code: 'run' } } },
    headers: ['Cache-Control', 'Cache-Status'],
  },
]

const problems: DocumentedProblem[] = [
  'SECRET_NOT_FOUND',
  'SOURCE_REFUSED',
  'SOURCE_UNAVAILABLE',
  'SOURCE_STARTING',
  'SOURCE_THROTTLED',
  'SOURCE_TIMEOUT',
  'BUS_REQUEST_TIMEOUT',
]

const common = { tags: ['Secrets'], response: { 200: body } }

const codeName = { type: 'string', description: 'The key of the secret in the table.', examples: ['thedoctor'] }

const paths = {
  '/secret': {
    schema: {
      ...common,
      operationId: 'getSecret',
      summary: 'Get the secret',
      description: 'The secret of the first code name that the service is configured with.',
    },
    config: { documentation: { replies, problems } },
  },
  '/secret/:codeName': {
    schema: {
      ...common,
      operationId: 'getSecretByCodeName',
      summary: 'Get a secret by its code name',
      description: 'The secret of a configured code name. The source is not asked for any other.',
    },
    config: {
      documentation: {
        params: { type: 'object', properties: { codeName } },
        replies,
        problems: [...problems, new FaultyRequest(414, 'The URL cannot be read, or a name in it is too long.')],
      },
    },
  },
}
