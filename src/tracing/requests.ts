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
import type { FastifyInstance, FastifyReply, FastifyRequest, preValidationHookHandler } from 'fastify'
import type { TraceContext } from '../bus/call.ts'
import { labelOf } from '../bus/thrown.ts'
import { clientAddress } from '../handlers/server/client-address.ts'
import { finalStatus, noRoute, onClosed, type WatchedResponse, watched } from '../handlers/server/node/response.ts'
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
  /** Whether the span has the name of its route. */
  isNamed?: boolean
  /** The type of the error that the request failed with. */
  error?: string
}

const traced = Symbol('traced')

type TracedResponse = WatchedResponse & { [traced]?: Traced }

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
  const serverOf = serverAddress()
  const finish = (response: WatchedResponse) => end(response, serverOf)

  // At the level of the server, because no hook runs for a request that is refused before routing.
  app.server.prependListener('request', (request: IncomingMessage, response: TracedResponse) => {
    const received = traceContext(request.headers)
    const parent = received ? parentOf(received) : ROOT_CONTEXT
    const options = { kind: SpanKind.SERVER, startTime: spanTime(response.began) }
    const span = tracer.startSpan(nameOf(request.method), options, parent)
    if (!span.isRecording()) {
      // Without the flag, neither the calls of this request nor the services behind it are sampled.
      if (received && isSampled(received))
        response[traced] = { trace: { ...received, flags: received.flags & ~TraceFlags.SAMPLED } }
      return
    }
    response[traced] = { trace: traceOf(span, received?.state), span, context: trace.setSpan(ROOT_CONTEXT, span) }
    onClosed(response, finish)
  })

  app.addHook('onRequest', (request, reply, done) => {
    const of = tracedOf(reply)
    if (!of) return done()
    setTrace(request, of.trace)
    nameSpan(watched(reply))
    if (of.context) context.with(of.context, done)
    else done()
  })

  // A body arrives in the context of the connection. Other requests need no further hook, which would cost time.
  const reenter: preValidationHookHandler = (_request, reply, done) => {
    const of = tracedOf(reply)
    if (!of?.context || trace.getActiveSpan()) return done()
    context.with(of.context, done)
  }
  app.addHook('onRoute', (route) => {
    if ([route.method].flat().every((method) => method === 'GET' || method === 'HEAD')) return
    route.preValidation = [reenter, ...[route.preValidation ?? []].flat()]
  })

  app.addHook('onError', (_request, reply, error, done) => {
    const of = tracedOf(reply)
    if (of) of.error = labelOf(error)
    done()
  })
}

function tracedOf(reply: FastifyReply): Traced | undefined {
  const response: TracedResponse = watched(reply)
  return response[traced]
}

/** Once, because a route may give its span another name. */
function nameSpan(response: TracedResponse): void {
  const { req, route } = response
  const of = response[traced]
  if (!of?.span || of.isNamed || route === noRoute) return
  of.span.updateName(`${nameOf(req.method)} ${route}`)
  of.isNamed = true
}

function parentOf(received: TraceContext): Context {
  const { state } = received
  if (state === undefined) return contextOf(received, true)
  const parent = trace.getSpanContext(contextOf(received, true))
  return parent ? trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceState: createTraceState(state) }) : ROOT_CONTEXT
}

/** Ends the span. It gets its attributes here, all at once, because that costs least. */
function end(response: TracedResponse, serverOf: ReturnType<typeof serverAddress>): void {
  const { span, error } = response[traced] ?? {}
  if (!span) return
  nameSpan(response) // of a request that was rejected before
  const status = finalStatus(response)
  const attributes = attributesOf(response, serverOf)
  attributes['http.response.status_code'] = status
  if (status >= 500) {
    attributes['error.type'] = error ?? String(status)
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
  span.setAttributes(attributes)
  span.end(spanTime())
}

/** The beginning of the span's name. */
function nameOf(method = ''): string {
  return knownMethods.has(method) ? method : 'HTTP'
}

/**
 * The query, the user agent and a path without a route are left out: clients send secrets and tokens there by mistake.
 */
function attributesOf(
  { req, request, route }: WatchedResponse,
  serverOf: ReturnType<typeof serverAddress>,
): Attributes {
  const { method = '', socket, httpVersion } = req
  const isKnown = knownMethods.has(method)
  const attributes: Attributes = {
    'http.request.method': isKnown ? method : '_OTHER',
    'url.scheme': 'encrypted' in socket ? 'https' : 'http',
    'network.protocol.version': httpVersion,
  }
  if (!isKnown) attributes['http.request.method_original'] = method
  if (route !== noRoute) {
    attributes['http.route'] = route
    attributes['url.path'] = pathOf(req.url)
  }
  if (!request) return attributes
  // These depend on whether a proxy is trusted.
  const { hostname, port } = serverOf(request)
  const address = clientAddress(request)
  if (hostname) attributes['server.address'] = hostname
  if (port) attributes['server.port'] = port
  if (address !== undefined) attributes['client.address'] = address
  return attributes
}

/** The path of a request target, which may be an absolute URL. */
function pathOf(target = ''): string {
  const [path = ''] = target.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/, 1)
  return path || '/'
}

/** Returns a function that parses the host unless it is that of the previous request. */
function serverAddress(): (request: FastifyRequest) => Pick<FastifyRequest, 'hostname' | 'port'> {
  let known: Pick<FastifyRequest, 'host' | 'hostname' | 'port'> | undefined
  return (request) => {
    const { host } = request
    if (known?.host === host) return known
    const { hostname, port } = request
    known = { host, hostname, port }
    return known
  }
}
