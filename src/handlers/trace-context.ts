/** Accepts the trace of the caller (W3C Trace Context), and adds its id to all log lines of the request. */
import type { Server } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Call, TraceContext } from '../bus/call.ts'
import { lifecycle } from '../bus/process/lifecycle.ts'
import type { Subscriber } from '../bus/process/process-bus.ts'
import { propertyOf } from '../bus/thrown.ts'
import { httpRoutes } from '../channels.ts'
import { hookPriority } from './server/hook-priority.ts'
import { responsesOf } from './server/node/connections.ts'
import { traceContext as parse } from './traceparent.ts'

/** The context of a request that belongs to a trace. */
type TracedCall = Call & { readonly id: string; readonly trace: TraceContext }

/** A symbol cannot collide with a plugin's decorator. */
const key = Symbol('traced call')

type TracedRequest = FastifyRequest & { [key]?: TracedCall }

/** So many requests keep their traces after they have ended, because lines may follow, as of a read that others share. */
const maxLatest = 250

/**
 * Returns the context to pass on with the calls that a route makes for a request: its id, and the trace that it belongs
 * to, if any.
 */
export function callOf(request: FastifyRequest): Call {
  const { id, [key]: call }: TracedRequest = request
  return call ?? { id }
}

/** Sets the trace of a request, for `callOf`. */
export function setTrace(request: FastifyRequest, trace: TraceContext): void {
  const traced: TracedRequest = request
  traced[key] = { id: request.id, trace }
}

export const traceContext = (): Subscriber => (bus) => {
  /** The requests that have begun last, each in the place of the one that it has displaced. */
  const latest: TracedCall[] = []
  let place = 0
  let server: Server | undefined

  const addHook = (app: FastifyInstance) => {
    app.addHook('onRequest', (request: TracedRequest, _reply, done) => {
      if (!request[key]) {
        const trace = parse(request.headers)
        if (trace) setTrace(request, trace)
      }
      const { [key]: call } = request // set before if the request is sampled
      if (!call) return done()
      latest[place] = call
      place = (place + 1) % maxLatest
      done()
    })
    server = app.server
  }
  bus.subscribe(httpRoutes, addHook, { priority: hookPriority.traceContext })

  // Searching is slow, but costs nothing per request: the lines that each request has come with their trace.
  const traceOf = (id: unknown) => {
    for (const { request } of server ? responsesOf(server) : []) {
      const { [key]: call }: Partial<TracedRequest> = request ?? {}
      if (call?.id === id) return call?.trace
    }
    return latest.find((call) => call.id === id)?.trace
  }
  bus.subscribe(
    lifecycle.log,
    (record) => {
      if (latest.length === 0 || Object.hasOwn(record.fields, 'trace_id')) return
      const id = propertyOf(record.fields, 'reqId')
      const trace = id === undefined ? undefined : traceOf(id)
      if (trace) record.fields = { ...record.fields, trace_id: trace.traceId }
    },
    { priority: 0 }, // before the listeners that write the record
  )
}
