/** Load shedding: rejects requests above the limits with 503. Open routes, such as health checks, are exempt. */
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { collectMetrics, httpRoutes } from '../../channels.ts'
import { counter } from '../../metrics/counter.ts'
import { hookPriority } from '../server/hook-priority.ts'
import { defaultLimits, type Limits } from '../server/limits.ts'
import { PendingReplies } from '../server/node/pending-replies.ts'
import { onClosed, watched } from '../server/node/response.ts'

/** A limit on connections, concurrent requests, pending replies or event loop delay is reached. */
export class Overloaded extends Error {
  readonly code = 'OVERLOADED'
}

/** The messages by the `reason` of the metric. */
const messages = {
  connections: 'Too many connections',
  event_loop_delay: 'The event loop delay is too high',
  requests: 'Too many concurrent requests',
  unread_replies: 'Too many unread replies',
}

export const loadShedding =
  (limits = defaultLimits): Subscriber =>
  (bus) => {
    const shed = counter({
      name: `${bus.service.metricPrefix}http_requests_shed_total`,
      help: 'Requests rejected by load shedding, by reason: connections, event_loop_delay, requests, unread_replies.',
      labels: ['reason'],
    })
    // Starts all series at 0, because Prometheus does not see the first increase of a new time series.
    for (const reason of Object.keys(messages)) shed.labels({ reason })
    const overloaded = (reason: keyof typeof messages) => {
      shed.labels({ reason }).add()
      return new Overloaded(messages[reason])
    }

    const addHook = (app: FastifyInstance) => {
      const isDelayed = watchEventLoop(app, limits)
      const replies = PendingReplies.of(app.server)
      const hasSlot = connectionSlots(limits.connections)
      let inProgress = 0
      const release = () => {
        inProgress -= 1
      }
      app.addHook('onRequest', (request, reply, done) => {
        if (watched(reply).config.open) return done()
        if (replies?.isOverLimit) return done(overloaded('unread_replies'))
        if (isDelayed()) return done(overloaded('event_loop_delay'))
        if (inProgress >= limits.requests) return done(overloaded('requests'))
        if (!hasSlot(request.raw.socket)) {
          reply.header('connection', 'close')
          return done(overloaded('connections'))
        }
        inProgress += 1
        onClosed(reply.raw, release)
        done()
      })
    }
    bus.subscribe(httpRoutes, addHook, { priority: hookPriority.loadShedding })
    bus.subscribe(collectMetrics, () => [shed.metric()])
  }

/** Interval between the samples of the event loop delay, in milliseconds. Each wakes the process, also an idle one. */
const sampleInterval = 100

/**
 * Returns a function that reports whether the delay of the event loop is above the limit. The last sample decides, so
 * that requests are accepted again soon after a stall.
 */
function watchEventLoop(app: FastifyInstance, { eventLoopDelay }: Limits): () => boolean {
  let delay = 0
  let sampledAt = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    delay = now - sampledAt - sampleInterval
    sampledAt = now
  }, sampleInterval).unref()
  app.addHook('onClose', async () => clearInterval(timer))
  return () => delay > eventLoopDelay
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
