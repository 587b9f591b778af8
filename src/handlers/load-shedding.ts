/** Refuses what comes beyond the limits, before it costs those who are being served. Open routes are served all the same. */
import type { Socket } from 'node:net'
import underPressure from '@fastify/under-pressure'
import type { Subscriber } from '../bus/process-bus.ts'
import { httpRoutes } from '../channels.ts'
import { defaultLimits } from './limits.ts'

/** There is more to do than can be done. */
export class Overloaded extends Error {
  readonly code = 'OVERLOADED'
}

export const loadShedding =
  (limits = defaultLimits): Subscriber =>
  (bus) => {
    bus.subscribe(httpRoutes, async (app) => {
      await app.register(underPressure, {
        maxEventLoopDelay: limits.eventLoopDelay,
        pressureHandler: async (request) => {
          if (!request.routeOptions.config.open) throw new Overloaded('the event loop is late')
        },
      })

      const hasPlace = places(limits.connections)
      let underWay = 0
      const leave = () => {
        underWay -= 1
      }
      app.addHook('onRequest', (request, reply, done) => {
        if (request.routeOptions.config.open) return done()
        if (underWay >= limits.requests) return done(new Overloaded('too many requests are under way'))
        if (!hasPlace(request.raw.socket)) {
          reply.header('connection', 'close')
          return done(new Overloaded('too many connections are served'))
        }
        underWay += 1
        reply.raw.on('close', leave)
        done()
      })
    })
  }

/**
 * A place for each connection, until there are none left. It is taken with the first request, so that who only opens
 * connections takes none, and is free again when the connection closes.
 */
function places(count: number): (socket: Socket) => boolean {
  const taken = new Set<Socket>()
  return (socket) => {
    if (taken.has(socket)) return true
    if (taken.size >= count) return false
    taken.add(socket)
    socket.once('close', () => taken.delete(socket))
    return true
  }
}
