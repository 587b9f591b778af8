/** Refuses what comes beyond the limits, before it costs those who are being served. Open routes are served all the same. */
import type { Socket } from 'node:net'
import underPressure from '@fastify/under-pressure'
import type { FastifyInstance } from 'fastify'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { httpRoutes } from '../../channels.ts'
import { defaultLimits, type Limits } from '../server/limits.ts'

/** There is more to do than can be done. */
export class Overloaded extends Error {
  readonly code = 'OVERLOADED'
}

export const loadShedding =
  (limits = defaultLimits): Subscriber =>
  (bus) => {
    bus.subscribe(httpRoutes, async (app) => {
      const isUnderPressure = await watchPressure(app, limits)
      const hasPlace = places(limits.connections)
      let underWay = 0
      const leave = () => {
        underWay -= 1
      }
      app.addHook('onRequest', (request, reply, done) => {
        if (request.routeOptions.config.open) return done()
        if (isUnderPressure()) return done(new Overloaded('the event loop is late'))
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

/** A hook of the plug-in itself would be one more for each request, so it stays with a child that has no routes. */
async function watchPressure(app: FastifyInstance, { eventLoopDelay }: Limits): Promise<() => boolean> {
  let isUnderPressure = () => false
  await app.register(async (child) => {
    await child.register(underPressure, { maxEventLoopDelay: eventLoopDelay })
    isUnderPressure = () => child.isUnderPressure()
  })
  return isUnderPressure
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
