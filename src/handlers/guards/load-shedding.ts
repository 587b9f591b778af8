/** Load shedding: rejects requests above the limits with 503. Open routes, such as health checks, are exempt. */
import type { Socket } from 'node:net'
import underPressure from '@fastify/under-pressure'
import type { FastifyInstance } from 'fastify'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { httpRoutes } from '../../channels.ts'
import { defaultLimits, type Limits } from '../server/limits.ts'

/** A limit on connections, concurrent requests or event loop delay is reached. */
export class Overloaded extends Error {
  readonly code = 'OVERLOADED'
}

export const loadShedding =
  (limits = defaultLimits): Subscriber =>
  (bus) => {
    bus.subscribe(httpRoutes, async (app) => {
      const isUnderPressure = await watchPressure(app, limits)
      const admits = connectionSlots(limits.connections)
      let inProgress = 0
      const release = () => {
        inProgress -= 1
      }
      app.addHook('onRequest', (request, reply, done) => {
        if (request.routeOptions.config.open) return done()
        if (isUnderPressure()) return done(new Overloaded('The event loop delay is too high'))
        if (inProgress >= limits.requests) return done(new Overloaded('Too many concurrent requests'))
        if (!admits(request.raw.socket)) {
          reply.header('connection', 'close')
          return done(new Overloaded('Too many connections'))
        }
        inProgress += 1
        reply.raw.on('close', release)
        done()
      })
    })
  }

/** Registers the plugin in a child scope without routes, so that its hook does not run on every request. */
async function watchPressure(app: FastifyInstance, { eventLoopDelay }: Limits): Promise<() => boolean> {
  let isUnderPressure = () => false
  await app.register(async (child) => {
    await child.register(underPressure, { maxEventLoopDelay: eventLoopDelay })
    isUnderPressure = () => child.isUnderPressure()
  })
  return isUnderPressure
}

/**
 * Returns a function that reports whether a connection may be served. A connection takes one of `count` slots with its
 * first request, so that idle connections take none, and frees it when it closes.
 */
function connectionSlots(count: number): (socket: Socket) => boolean {
  const taken = new Set<Socket>()
  return (socket) => {
    if (taken.has(socket)) return true
    if (taken.size >= count) return false
    taken.add(socket)
    socket.once('close', () => taken.delete(socket))
    return true
  }
}
