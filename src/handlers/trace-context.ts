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

/** At least so many ended requests have their traces kept, because lines may follow, as of a read that others share. */
const minEnded = 1_000

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
  /** The traces of the requests in progress by request id. */
  const open = new Map<unknown, TraceContext>()
  /** Those of the requests that have ended last, and of those before. Whole maps are dropped, because that costs least. */
  let [ended, endedBefore] = [new Map<unknown, TraceContext>(), new Map<unknown, TraceContext>()]

  bus.subscribe(
    httpRoutes,
    (app) => {
      app.addHook('onRequest', (request, reply, done) => {
        const { id, trace = parse(request.headers) } = callOf(request) // set if the request is sampled
        if (!trace) return done()
        setTrace(request, trace)
        open.set(id, trace)
        onClosed(reply.raw, () => {
          if (open.get(id) === trace) open.delete(id)
          ended.set(id, trace)
          if (ended.size >= minEnded) [endedBefore, ended] = [ended, new Map()]
        })
        done()
      })
    },
    { priority: hookPriority.traceContext },
  )

  bus.subscribe(
    lifecycle.log,
    (record) => {
      if (open.size + ended.size + endedBefore.size === 0 || Object.hasOwn(record.fields, 'trace_id')) return
      const reqId = propertyOf(record.fields, 'reqId')
      const trace = open.get(reqId) ?? ended.get(reqId) ?? endedBefore.get(reqId)
      if (trace) record.fields = { ...record.fields, trace_id: trace.traceId }
    },
    { priority: 0 }, // before the listeners that write the record
  )
}
