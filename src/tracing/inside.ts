/** Makes the spans of what happens inside of subscribers, which they publish as diagnostics. */
import {
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { TraceContext } from '../bus/call.ts'
import { type CacheRead, type DynamodbAttempt, diagnostics, type UpstreamExchange } from '../diagnostics.ts'
import { type Calls, contextOf, isSampled, traceOf } from './calls.ts'
import { spanTime } from './span-clock.ts'

/** A read of a cache, and the requests that wait for it. */
interface Read {
  /** The span of the request to the source, once it has been sent. */
  span?: Span
  /** The spans of the requests that joined the read before. */
  readonly waiting: Span[]
}

export class Inside {
  readonly #tracer: Tracer
  readonly #reads = new WeakMap<CacheRead, Read>()
  /** The reads by the trace that they pass on. */
  readonly #byTrace = new WeakMap<TraceContext, Read>()
  /** The spans of what is in progress. */
  readonly #open = new WeakMap<object, Span>()

  constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  /** Call it with each sampled call, to find the one that a read of a cache makes. */
  onCall(given: TraceContext | undefined, span: Span): void {
    const read = given && this.#byTrace.get(given)
    if (!read || read.span) return
    read.span = span
    for (const waiting of read.waiting.splice(0)) waiting.addLink({ context: span.spanContext() })
  }

  /** @returns the function that ends the subscriptions */
  subscribe(calls: Calls): () => void {
    const end = (message: { readonly outcome?: string }) => this.#end(message)
    const ends = [
      diagnostics.cacheRead.subscribe({ start: (read) => this.#onRead(read, calls), end }),
      diagnostics.cacheJoin.subscribe(({ read, call }) => {
        const span = calls.spanOf(call)
        if (span) this.#join(read, span)
      }),
      diagnostics.dynamodbAttempt.subscribe({ start: (attempt) => this.#onAttempt(attempt, calls), end }),
      diagnostics.upstreamExchange.subscribe({ start: (exchange) => this.#onExchange(exchange, calls), end }),
    ]
    return () => {
      for (const unsubscribe of ends) unsubscribe()
    }
  }

  #onRead(message: CacheRead, calls: Calls): void {
    const span = message.trigger === 'request' ? calls.spanOf(message.call) : this.#background(message)
    if (!span) return
    message.trace = traceOf(span, message.trace?.state)
    this.#byTrace.set(message.trace, this.#readOf(message))
  }

  /** A refresh begins a trace. A reload is part of what demands it. */
  #background(message: CacheRead): Span | undefined {
    const { cache, key, trigger } = message
    const parent = trigger === 'reload' && trace.getActiveSpan()?.isRecording() ? context.active() : ROOT_CONTEXT
    const span = this.#tracer.startSpan(
      `${trigger} ${cache}`,
      { startTime: spanTime(), attributes: { 'cache.key': key } },
      parent,
    )
    if (!span.isRecording()) return undefined
    this.#open.set(message, span)
    return span
  }

  #join(message: CacheRead, span: Span): void {
    const read = this.#readOf(message)
    if (read.span) span.addLink({ context: read.span.spanContext() })
    else read.waiting.push(span)
  }

  #readOf(message: CacheRead): Read {
    const known = this.#reads.get(message)
    if (known) return known
    const read: Read = { waiting: [] }
    this.#reads.set(message, read)
    return read
  }

  /** https://opentelemetry.io/docs/specs/semconv/database/dynamodb/ */
  #onAttempt(attempt: DynamodbAttempt, calls: Calls): void {
    const cause = calls.spanOf(attempt.call)
    if (!cause) return
    const { operation, table, host, port } = attempt
    this.#startClient(attempt, operation, trace.setSpan(ROOT_CONTEXT, cause), {
      'db.system.name': 'aws.dynamodb',
      'db.operation.name': operation,
      'aws.dynamodb.table_names': [table],
      ...(host !== undefined && { 'server.address': host }),
      ...(port !== undefined && { 'server.port': port }),
      ...(attempt.attempt > 1 && { 'http.request.resend_count': attempt.attempt - 1 }),
    })
  }

  /** https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client */
  #onExchange(exchange: UpstreamExchange, calls: Calls): void {
    const { method, url, call } = exchange
    const cause = calls.spanOf(call)
    const active = trace.getActiveSpan()?.isRecording() ? context.active() : undefined
    const given = call?.trace && isSampled(call.trace) ? contextOf(call.trace) : undefined
    const parent = cause ? trace.setSpan(ROOT_CONTEXT, cause) : (given ?? (call?.trace ? undefined : active))
    if (!parent) return
    const { protocol, hostname, port } = url
    const span = this.#startClient(exchange, method, parent, {
      'http.request.method': method,
      'url.full': url.href,
      'server.address': hostname,
      'server.port': port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
    })
    exchange.trace = traceOf(span, call?.trace?.state)
  }

  #startClient(
    message: object,
    name: string,
    parent: Context,
    attributes: Record<string, string | number | string[]>,
  ): Span {
    const span = this.#tracer.startSpan(name, { kind: SpanKind.CLIENT, startTime: spanTime(), attributes }, parent)
    this.#open.set(message, span)
    return span
  }

  #end(message: {
    readonly outcome?: string
    readonly status?: number | undefined
    readonly requestId?: string | undefined
  }): void {
    const span = this.#open.get(message)
    if (!span) return
    const { outcome = 'ok', status, requestId } = message
    if (status !== undefined) span.setAttribute('http.response.status_code', status)
    if (requestId !== undefined) span.setAttribute('aws.request_id', requestId)
    if (outcome !== 'ok') span.setAttribute('error.type', outcome).setStatus({ code: SpanStatusCode.ERROR })
    span.end(spanTime())
  }
}
