/** Accepts the trace of the caller (W3C Trace Context), and adds its id to all log lines of the request. */
import type { FastifyRequest } from 'fastify'
import type { Call, TraceContext } from '../bus/call.ts'
import { lifecycle } from '../bus/process/lifecycle.ts'
import type { Subscriber } from '../bus/process/process-bus.ts'
import { propertyOf } from '../bus/thrown.ts'
import { httpRoutes } from '../channels.ts'
import { hookPriority } from './server/hook-priority.ts'
import { onClosed } from './server/node/response.ts'
import { traceContext as parse } from './traceparent.ts'

/** A symbol cannot collide with a plugin's decorator. */
const key = Symbol('trace')

type TracedRequest = FastifyRequest & { [key]?: TraceContext }

/** So many ended requests have their traces kept, because lines may follow, as of a read that others share. */
const maxEnded = 250

/**
 * Returns the context to pass on with the calls that a route makes for a request: its id, and the trace that it belongs
 * to, if any.
 */
export function callOf(request: FastifyRequest): Call {
  const { id, [key]: trace }: TracedRequest = request
  return trace ? { id, trace } : { id }
}

/** Sets the trace of a request, for `callOf`. */
export function setTrace(request: FastifyRequest, trace: TraceContext): void {
  const traced: TracedRequest = request
  traced[key] = trace
}

export const traceContext = (): Subscriber => (bus) => {
  /** The traces of the requests in progress, and of those that have ended last, by request id. */
  const traces = new Map<unknown, TraceContext>()
  /** The requests that have ended last, each in the place of the one that it has displaced. */
  const ended: { readonly id: string; readonly trace: TraceContext }[] = []
  let place = 0

  const onEnd = (id: string, trace: TraceContext) => {
    const displaced = ended[place]
    // A client may send the same id again.
    if (displaced && traces.get(displaced.id) === displaced.trace) traces.delete(displaced.id)
    ended[place] = { id, trace }
    place = (place + 1) % maxEnded
  }

  bus.subscribe(
    httpRoutes,
    (app) => {
      app.addHook('onRequest', (request, reply, done) => {
        const { id, [key]: trace = parse(request.headers) }: TracedRequest = request // set if the request is sampled
        if (!trace) return done()
        setTrace(request, trace)
        traces.set(id, trace)
        onClosed(reply.raw, () => onEnd(id, trace))
        done()
      })
    },
    { priority: hookPriority.traceContext },
  )

  bus.subscribe(
    lifecycle.log,
    (record) => {
      if (traces.size === 0 || Object.hasOwn(record.fields, 'trace_id')) return
      const trace = traces.get(propertyOf(record.fields, 'reqId'))
      if (trace) record.fields = { ...record.fields, trace_id: trace.traceId }
    },
    { priority: 0 }, // before the listeners that write the record
  )
}
