/** Creates the Fastify instance that routes are added to: request ids, request checks and error responses. */
import type { TlsOptions } from 'node:tls'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import { FailureLog } from './failure-log.ts'
import { isValidHost } from './host.ts'
import type { Limits } from './limits.ts'
import { refuseConnection } from './node/client-error.ts'
import { nodeServer } from './node/node-server.ts'
import { noRoute, watched } from './node/response.ts'
import { genericProblem, type Problem, type Problems } from './problem.ts'
import { RejectionLog } from './rejection-log.ts'
import { RequestError } from './request-error.ts'
import { requestIds } from './request-id.ts'
import { replyToUnserved } from './unserved.ts'

export interface AppOptions {
  /** Take the client address from the last entry of `X-Forwarded-For`; clients can forge the earlier ones. */
  readonly trustProxy: boolean
  readonly limits: Limits
  /** Enables HTTPS. */
  readonly certificate: TlsOptions | undefined
  readonly isDraining: () => boolean
  readonly problems: Problems
}

export function newApp(
  bus: ProcessBus,
  { trustProxy, limits, certificate, isDraining, problems }: AppOptions,
): FastifyInstance {
  const routerOptions = { maxParamLength: limits.parameter }
  const rejections = new RejectionLog(bus)
  const failures = new FailureLog(bus, rejections)
  const app = fastify({
    serverFactory: (listener) => nodeServer(listener, limits, certificate, isDraining, failures.onServerError),
    logController: failures.controller(),
    genReqId: requestIds(),
    // Only the direct peer is trusted.
    trustProxy: trustProxy && ((_address, hop) => hop === 0),
    bodyLimit: limits.body,
    return503OnClosing: false, // requests are served until the server has closed
    routerOptions,
    // Refuses unknown properties where a schema forbids them, instead of removing them silently.
    ajv: { customOptions: { removeAdditional: false } },
    clientErrorHandler: refuseConnection,
    // Hooks do not run for errors before routing. Fastify's message is withheld because it quotes the URL, which may
    // contain a token.
    frameworkErrors: (error, request, reply) => {
      const { statusCode = 500 } = error
      watched(reply).request = request
      failures.add(error, reply)
      reply.header('x-request-id', request.id)
      const detail = statusCode === 414 ? 'A path parameter is too long.' : 'The URL is malformed.'
      problems.reply(new RequestError(statusCode, detail), request, reply)
    },
  })
  problems.install(app)
  app.addHook('onRequest', (request, reply, done) => {
    const { url = noRoute, config } = request.routeOptions // an object that is created on each access
    const response = watched(reply)
    response.request = request
    response.route = url
    response.config = config
    reply.header('x-request-id', request.id)
    config.watch?.(request, reply)
    done(requestErrorOf(request, limits))
  })
  // In the scope of a plugin, an error handler of its own may reply.
  app.addHook('onError', (_request, reply, error, done) => {
    failures.add(error, reply)
    done()
  })
  app.addHook('onClose', async () => rejections.flush())
  setLastErrorHandler(app, (error, request, reply) => {
    failures.add(error, reply)
    sendWithoutHooks(genericProblem(undefined, request.id), reply)
  })
  app.setErrorHandler((error, request, reply) => {
    failures.add(error, reply)
    problems.reply(error, request, reply)
  })
  replyToUnserved(app, routerOptions)
  return app
}

/**
 * Sets the handler of an error that occurs while the reply to another error is sent, as in an `onSend` hook. Fastify
 * itself would send the message of such an error. Call it before `setErrorHandler`.
 */
function setLastErrorHandler(app: FastifyInstance, handler: Parameters<FastifyInstance['setErrorHandler']>[0]): void {
  app.setErrorHandler(handler)
  // Otherwise, Fastify warns about the next handler, although it falls back to this one.
  const flag = Object.getOwnPropertySymbols(app).find(
    ({ description }) => description === 'fastify.errorHandlerAlreadySet',
  )
  if (flag) Object.assign(app, { [flag]: false })
}

function sendWithoutHooks(problem: Problem, reply: FastifyReply): void {
  const body = JSON.stringify(problem)
  reply.hijack()
  if (reply.raw.headersSent) reply.raw.destroy()
  else
    reply.raw
      .writeHead(problem.status, {
        'content-type': 'application/problem+json',
        'content-length': Buffer.byteLength(body),
        'cache-control': 'no-store',
        'x-request-id': problem.instance,
      })
      .end(body)
}

/** Checks a parsed request for errors that Node.js and Fastify accept. */
function requestErrorOf({ raw, is404 }: FastifyRequest, { body }: Limits): RequestError | undefined {
  const { httpVersion, headers, rawHeaders } = raw
  // https://www.rfc-editor.org/rfc/rfc9112#section-2.5
  if (httpVersion !== '1.1' && httpVersion !== '1.0')
    return new RequestError(400, 'The service supports HTTP/1.0 and HTTP/1.1 only.')
  // https://www.rfc-editor.org/rfc/rfc9112#section-3.2
  const hosts = countHeader(rawHeaders, 'host')
  if (hosts > 1) return new RequestError(400, 'The request has more than one Host header.')
  if (hosts < 1 && httpVersion === '1.1') return new RequestError(400, 'The Host header is missing.')
  if (!isValidHost(headers.host ?? '')) return new RequestError(400, 'The Host header is invalid.')
  // Fastify checks the length only for routes that read the body. A request without a route gets a 404 or 405 instead.
  if (!is404 && Number(headers['content-length']) > body) return new RequestError(413, 'The request body is too large.')
  return undefined
}

/** Counts the occurrences of a header. `headers` contains only the first value of a header such as Host. */
function countHeader(rawHeaders: readonly string[], wanted: string): number {
  let occurrences = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.length === wanted.length && name.toLowerCase() === wanted) occurrences += 1
  }
  return occurrences
}
