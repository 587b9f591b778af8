/** The HTTP server: listens when the process starts, drains when it stops. What it serves is added by the routes. */
import { setTimeout } from 'node:timers/promises'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { messageOf } from '../bus/errors.ts'
import { lifecycle } from '../bus/lifecycle.ts'
import type { ProcessBus, Subscriber } from '../bus/process-bus.ts'
import { checkHealth, httpRoutes } from '../channels.ts'
import { Connections } from './connections.ts'
import { FaultyRequest, replyWithProblem } from './problem.ts'
import { refuseConnection } from './refuse-connection.ts'
import { requestId } from './request-id.ts'

export interface HttpServerOptions {
  readonly host: string
  /** 0 has the system choose one. */
  readonly port: number
  /** Takes the client's address from `X-Forwarded-For`, as the nearest proxy wrote it: what is before may be made up. */
  readonly trustProxy: boolean
  /** How long to go on serving once told to stop, in milliseconds: a load balancer takes a while to notice. */
  readonly drain: number
}

/** Longer than the 60 s after which a load balancer closes what idles, or it would send into a closing connection. */
const keepAliveTimeout = 72_000

/** How long a request may take to come whole, in milliseconds. */
const requestTimeout = 30_000

/** Connections that wait to be accepted: many clients may come at once. The kernel has the last word. */
const backlog = 4_096

/** The longest key that DynamoDB takes, in characters. */
const longestParameter = 2_048

export const httpServer =
  (options: HttpServerOptions): Subscriber =>
  (bus) => {
    const addRoutes = bus.publisher(httpRoutes)
    let running: { app: FastifyInstance; connections: Connections } | undefined
    let stopping = false
    const draining = () => stopping || bus.exiting

    bus.subscribe(lifecycle.start, async () => {
      stopping = false
      const app = newApp(bus, options, draining)
      running = { app, connections: new Connections(app.server) }
      await addRoutes(app)
      await app.listen({ host: options.host, port: options.port, backlog })
      const address = app.listeningOrigin
      bus.log('info', `Listening on ${address}`, { address })
    })

    bus.subscribe(lifecycle.stop, async (_, { signal }) => {
      stopping = true
      if (!running) return
      const { app, connections } = running
      if (app.server.listening) await setTimeout(options.drain, undefined, { signal })
      const closed = app.close()
      connections.close()
      await closed
    })

    bus.subscribe(checkHealth, () =>
      draining()
        ? { name: 'http-server', status: 'fail', output: 'draining' }
        : { name: 'http-server', status: 'pass' },
    )
  }

function newApp(bus: ProcessBus, options: HttpServerOptions, isDraining: () => boolean): FastifyInstance {
  const setCommonHeaders = (request: FastifyRequest, reply: FastifyReply) => {
    reply.header('x-request-id', request.id)
    if (isDraining()) reply.header('connection', 'close')
  }
  const app = fastify({
    genReqId: requestId,
    // Only who is connected to us is believed.
    trustProxy: options.trustProxy && ((_address, hop) => hop === 0),
    keepAliveTimeout,
    requestTimeout,
    http: { requireHostHeader: false }, // it is required below, where the answer is a problem like every other
    return503OnClosing: false, // what still comes while we close is served too
    routerOptions: { maxParamLength: longestParameter },
    clientErrorHandler: refuseConnection,
    // No hook runs for what fails before a route is found.
    frameworkErrors: (error, request, reply) => {
      setCommonHeaders(request, reply)
      replyWithProblem(error, request, reply)
    },
  })
  // Any other expectation than 100-continue may be ignored: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  app.addHook('onRequest', (request, _reply, done) => {
    const { httpVersion, headers } = request.raw
    // https://www.rfc-editor.org/rfc/rfc9112#section-3.2
    const lacksHost = httpVersion === '1.1' && headers.host === undefined
    done(lacksHost ? new FaultyRequest(400, 'The request has no Host header.') : undefined)
  })
  app.addHook('onSend', (request, reply, _payload, done) => {
    setCommonHeaders(request, reply)
    done()
  })
  app.setErrorHandler((error, request, reply) => {
    replyWithProblem(error, request, reply)
    if (reply.statusCode !== 500) return
    bus.log('error', `${request.method} failed: ${messageOf(error)}`, { reqId: request.id, err: error })
  })
  app.setNotFoundHandler((request, reply) => {
    replyWithProblem(new FaultyRequest(404, 'There is nothing at this path.'), request, reply)
  })
  return app
}
