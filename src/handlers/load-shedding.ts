/** Refuses what comes beyond the limits, before it costs those who are being served. Open routes are served all the same. */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Server as SecureServer } from 'node:tls'
import underPressure from '@fastify/under-pressure'
import type { FastifyRequest } from 'fastify'
import type { Subscriber } from '../bus/process-bus.ts'
import { httpRoutes } from '../channels.ts'
import { defaultLimits } from './limits.ts'

/** There is more to do than can be done. */
class Overloaded extends Error {
  readonly code = 'OVERLOADED'
}

export const loadShedding =
  (limits = defaultLimits): Subscriber =>
  (bus) => {
    bus.subscribe(httpRoutes, async (app) => {
      const surplus = surplusConnections(app.server, limits.connections)
      const refuseUnlessOpen = (request: FastifyRequest, why: string) => {
        return request.routeOptions.config.open ? undefined : new Overloaded(why)
      }

      await app.register(underPressure, {
        maxEventLoopDelay: limits.eventLoopDelay,
        pressureHandler: async (request) => {
          const refusal = refuseUnlessOpen(request, 'the event loop is late')
          if (refusal) throw refusal
        },
      })

      let underWay = 0
      app.addHook('onRequest', (request, reply, done) => {
        underWay += 1
        reply.raw.once('close', () => {
          underWay -= 1
        })
        if (underWay > limits.requests) return done(refuseUnlessOpen(request, 'too many requests are under way'))
        if (!surplus.has(request.raw.socket)) return done()
        const refusal = refuseUnlessOpen(request, 'too many connections are open')
        if (refusal) reply.header('connection', 'close')
        done(refusal)
      })
    })
  }

/** The connections that came when there were as many already as are served, and for as long as there are. */
function surplusConnections(server: Server, served: number): Pick<Set<Socket>, 'has'> {
  let open = 0
  const surplus = new Set<Socket>()
  const event = server instanceof SecureServer ? 'secureConnection' : 'connection'
  server.on(event, (socket: Socket) => {
    open += 1
    if (open > served) surplus.add(socket)
    socket.once('close', () => {
      open -= 1
      surplus.delete(socket)
    })
  })
  return { has: (socket) => open > served && surplus.has(socket) }
}
