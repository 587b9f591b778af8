/**
 * Makes a span for each HTTP request, by the semantic conventions:
 * https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server
 */
import type { IncomingMessage } from 'node:http'
import {
  type Attributes,
  type Context,
  context,
  createTraceState,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { FastifyInstance, FastifyRequest, preValidationHookHandler } from 'fastify'
import type { TraceContext } from '../bus/call.ts'
import { labelOf } from '../bus/thrown.ts'
import { clientAddress } from '../handlers/server/client-address.ts'
import { finalStatus, onClosed, type WatchedResponse } from '../handlers/server/node/response.ts'
import { setTrace } from '../handlers/trace-context.ts'
import { traceContext } from '../handlers/traceparent.ts'
import { contextOf, isSampled, traceOf } from './calls.ts'
import { spanTime } from './span-clock.ts'

/** A request in progress whose trace differs from the received one. */
interface Traced {
  /** The trace of the calls that the request makes. */
  readonly trace: TraceContext
  /** Absent if the request is not sampled. */
  readonly span?: Span
  readonly context?: Context
  /** The type of the error that the request failed with. */
  error?: string
}

const knownMethods: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'TRACE',
])

/** Adds the hooks, before those of other subscribers, so that what they do is part of the span. */
export function traceRequests(app: FastifyInstance, tracer: Tracer): void {
  const requests = new Map<unknown, Traced>()

  // At the level of the server, because no hook runs for a request that is refused before routing.
  app.server.prependListener('request', (request: IncomingMessage, response: WatchedResponse) => {
    const received = traceContext(request.headers)
    const { method = '' } = request
    const name = nameOf(method)
    const span = tracer.startSpan(
      name,
      { kind: SpanKind.SERVER, startTime: spanTime(response.began) },
      received ? parentOf(received) : ROOT_CONTEXT,
    )
    if (!span.isRecording()) {
      // The flag tells the calls of this request, and the services behind it, that it is not sampled.
      if (!received || !isSampled(received)) return
      requests.set(response, { trace: { ...received, flags: received.flags & ~TraceFlags.SAMPLED } })
      onClosed(response, () => requests.delete(response))
      return
    }
    const traced: Traced = {
      trace: traceOf(span, received?.state),
      span,
      context: trace.setSpan(ROOT_CONTEXT, span),
    }
    span.setAttributes(attributesOf(request, name))
    requests.set(response, traced)
    onClosed(response, () => {
      requests.delete(response)
      finish(span, response, traced.error)
    })
  })

  app.addHook('onRequest', (request, reply, done) => {
    const traced = requests.size === 0 ? undefined : requests.get(reply.raw)
    if (!traced) return done()
    setTrace(request, traced.trace)
    const { span } = traced
    if (!span || !traced.context) return done()
    const { url } = request.routeOptions
    if (url !== undefined) {
      span.updateName(`${nameOf(request.method)} ${url}`)
      span.setAttributes({ 'http.route': url, 'url.path': pathOf(request.url) })
    }
    span.setAttributes(addressesOf(request))
    context.with(traced.context, done)
  })

  // A body arrives in the context of the connection. Other requests need no further hook, which would cost time.
  const reenter: preValidationHookHandler = (_request, reply, done) => {
    const traced = requests.size === 0 ? undefined : requests.get(reply.raw)
    if (!traced?.context || trace.getActiveSpan()) return done()
    context.with(traced.context, done)
  }
  app.addHook('onRoute', (route) => {
    if ([route.method].flat().every((method) => method === 'GET' || method === 'HEAD')) return
    route.preValidation = [reenter, ...[route.preValidation ?? []].flat()]
  })

  app.addHook('onError', (_request, reply, error, done) => {
    const traced = requests.get(reply.raw)
    if (traced) traced.error = labelOf(error)
    done()
  })
}

function parentOf(received: TraceContext): Context {
  const { state } = received
  if (state === undefined) return contextOf(received, true)
  const parent = trace.getSpanContext(contextOf(received, true))
  return parent ? trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceState: createTraceState(state) }) : ROOT_CONTEXT
}

function finish(span: Span, response: WatchedResponse, error: string | undefined): void {
  const status = finalStatus(response)
  span.setAttribute('http.response.status_code', status)
  if (status >= 500) span.setAttribute('error.type', error ?? String(status)).setStatus({ code: SpanStatusCode.ERROR })
  span.end(spanTime())
}

/** The beginning of the span's name. */
function nameOf(method: string): string {
  return knownMethods.has(method) ? method : 'HTTP'
}

/**
 * The attributes that every request has. The query, the user agent and a path without a route are left out: clients send
 * secrets and tokens there by mistake.
 */
function attributesOf({ method = '', httpVersion, socket }: IncomingMessage, name: string): Attributes {
  return {
    'http.request.method': name === 'HTTP' ? '_OTHER' : name,
    ...(name === 'HTTP' && { 'http.request.method_original': method }),
    'url.scheme': 'encrypted' in socket ? 'https' : 'http',
    'network.protocol.version': httpVersion,
  }
}

/** The path of a request target, which may be an absolute URL. */
function pathOf(target: string): string {
  const [path = ''] = target.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/, 1)
  return path || '/'
}

/** Those that depend on whether a proxy is trusted. */
function addressesOf(request: FastifyRequest): Attributes {
  const { hostname, port } = request
  const address = clientAddress(request)
  return {
    ...(hostname && { 'server.address': hostname }),
    ...(port && { 'server.port': port }),
    ...(address !== undefined && { 'client.address': address }),
  }
}
