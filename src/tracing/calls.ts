/** Makes the spans of calls on the bus, and finds the span that causes something. */
import { type Context, context, ROOT_CONTEXT, type Span, TraceFlags, type Tracer, trace } from '@opentelemetry/api'
import { type Call, type InterceptedCall, isPromise, type TraceContext } from '../bus/call.ts'
import type { Interceptor } from '../bus/interceptors.ts'
import { CallSpan } from './call-span.ts'
import { ContextWithSpan } from './context-with-span.ts'

const spanOfCall = Symbol('span')

/** A call with its span, if it is sampled. A property, because the garbage collector spends much more time on a `WeakMap`. */
type SpannedCall = Call & { [spanOfCall]?: CallSpan }

export class Calls {
  readonly #tracer: Tracer
  readonly #onSpan: (call: InterceptedCall, span: Span) => void

  /** @param onSpan called for each call that is sampled, before it is made */
  constructor(tracer: Tracer, onSpan: (call: InterceptedCall, span: Span) => void) {
    this.#tracer = tracer
    this.#onSpan = onSpan
  }

  /** The span of a call; undefined if it is not sampled. */
  spanOf(call: SpannedCall | undefined): CallSpan | undefined {
    return call?.[spanOfCall]
  }

  readonly interceptor: Interceptor = (call, next) => {
    const span = this.#newSpan(call)
    if (!span) return next()
    const spanned: SpannedCall = call
    spanned[spanOfCall] = span
    this.#onSpan(call, span)
    let answer: unknown
    try {
      answer = span.isActive ? context.with(new ContextWithSpan(context.active(), span), next) : next()
    } catch (error) {
      span.finish(true, { error })
      throw error
    }
    if (!isPromise(answer)) {
      span.finish(true)
      return answer
    }
    answer.then(
      () => span.finish(false),
      (error: unknown) => span.finish(false, { error }),
    )
    return answer
  }

  #newSpan(call: InterceptedCall): CallSpan | undefined {
    const { trace: given, id } = call
    const parent = this.spanOf(call.parent)
    const isUnsampled = given ? !isSampled(given) : id !== undefined
    // A request that is not sampled: no more work than this.
    if (isUnsampled && !parent) return undefined
    const tracer = this.#tracer
    const traceId = given?.traceId ?? parent?.traceId
    const active = trace.getActiveSpan()
    // A span that is active in the same trace, such as one of a plugin, is nearer than the calling call.
    if (active?.isRecording() && (traceId === undefined || traceId === traceIdOf(active)))
      return new CallSpan(tracer, call, context.active(), true)
    if (parent && traceId === parent.traceId)
      return new CallSpan(tracer, call, new ContextWithSpan(ROOT_CONTEXT, parent), parent.isActive)
    if (given && !isUnsampled) return new CallSpan(tracer, call, contextOf(given), true)
    if (given || call.parent || id !== undefined) return undefined
    // What a start listener opens, such as the server, would keep its span as the active one for ever.
    const root = new CallSpan(tracer, call, ROOT_CONTEXT, false)
    return root.isSampled ? root : undefined
  }
}

/** Without `spanContext` of a `CallSpan`, which creates the span. */
function traceIdOf(span: Span): string {
  return span instanceof CallSpan ? span.traceId : span.spanContext().traceId
}

export function isSampled({ flags }: TraceContext): boolean {
  return (flags & TraceFlags.SAMPLED) !== 0
}

/** A context with the span of a trace as its parent. */
export function contextOf({ traceId, spanId, flags }: TraceContext, isRemote = false): Context {
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: flags & TraceFlags.SAMPLED, isRemote })
}

/** The trace to pass on with calls that a span causes. */
export function traceOf(span: Span, state?: string | undefined): TraceContext {
  const { traceId, spanId, traceFlags } = span.spanContext()
  return { traceId, spanId, flags: traceFlags, state }
}
