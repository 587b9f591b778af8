/** The Fastify instance that the routes are added to: what every reply has in common, and what becomes of errors. */
import type { IncomingMessage } from 'node:http'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { messageOf } from '../../bus/errors.ts'
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import type { Certificate } from './certificate.ts'
import type { Limits } from './limits.ts'
import { refuseConnection } from './node/client-error.ts'
import { nodeServer } from './node/node-server.ts'
import { RequestError, replyWithProblem } from './problem.ts'
import { requestIds } from './request-id.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers anybody at any time: without a token, and under overload. */
    readonly open?: boolean
    /** Is opened by a browser, which can send a token only as a password. It only ever reads. */
    readonly browser?: boolean
    /** Is told of each request for the route, also of those that are refused before the route's own hooks. */
    readonly watch?: (request: FastifyRequest, reply: FastifyReply) => void
  }
}

export interface AppOptions {
  /** Takes the client's address from `X-Forwarded-For`, as the nearest proxy wrote it: what is before may be made up. */
  readonly trustProxy: boolean
  readonly limits: Limits
  /** For HTTPS. */
  readonly certificate: Certificate | undefined
  readonly isDraining: () => boolean
}

export function newApp(bus: ProcessBus, { trustProxy, limits, certificate, isDraining }: AppOptions): FastifyInstance {
  const app = fastify({
    serverFactory: (answer) => nodeServer(answer, limits, certificate, isDraining),
    genReqId: requestIds(),
    // Only who is connected to us is believed.
    trustProxy: trustProxy && ((_address, hop) => hop === 0),
    bodyLimit: limits.body,
    return503OnClosing: false, // what still comes while we close is served too
    routerOptions: { maxParamLength: limits.parameter },
    clientErrorHandler: refuseConnection,
    // No hook runs for what fails before a route is found. Fastify's own message is not passed on: it quotes the URL, in
    // which there may be a token.
    frameworkErrors: ({ statusCode = 500 }, request, reply) => {
      reply.header('x-request-id', request.id)
      const fault = new RequestError(statusCode, 'The URL cannot be read, or a name in it is too long.')
      replyWithProblem(fault, request, reply)
    },
  })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    request.routeOptions.config.watch?.(request, reply)
    done(faultIn(request.raw, limits))
  })
  app.setErrorHandler((error, request, reply) => {
    replyWithProblem(error, request, reply)
    // What is foreseen is no error of ours, nor is a client that leaves while it asks.
    if (reply.statusCode !== 500 || error === request.raw.errored) return
    bus.log('error', `${request.method} failed: ${messageOf(error)}`, { reqId: request.id, err: error })
  })
  app.setNotFoundHandler((request, reply) => {
    replyWithProblem(new RequestError(404, 'There is nothing at this path.'), request, reply)
  })
  return app
}

/** What is wrong with a request that could be read, and would be answered all the same. */
function faultIn({ httpVersion, headers, rawHeaders }: IncomingMessage, { body }: Limits): RequestError | undefined {
  // https://www.rfc-editor.org/rfc/rfc9112#section-2.5
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return new RequestError(400, 'The service speaks HTTP/1.1.')
  // https://www.rfc-editor.org/rfc/rfc9112#section-3.2
  const hosts = count(rawHeaders, 'host')
  if (hosts > 1) return new RequestError(400, 'The request has more than one Host header.')
  if (hosts < 1 && httpVersion === '1.1') return new RequestError(400, 'The request has no Host header.')
  // Where nobody reads a body, nobody else looks at its length.
  if (Number(headers['content-length']) > body) return new RequestError(413, 'The body of the request is too long.')
  return undefined
}

/** How often a header is there. Of one like Host, Node's own table has the first alone. */
function count(rawHeaders: readonly string[], wanted: string): number {
  let found = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === wanted.length && name.toLowerCase() === wanted) found += 1
  }
  return found
}
