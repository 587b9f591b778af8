/**
 * The span of a call on the bus. Most calls are answered synchronously and have no span, which is only known once they
 * have returned, when code inside of them may already have used it. So the span itself is created on first use.
 */
import type {
  Attributes,
  Context,
  Exception,
  Link,
  Span,
  SpanContext,
  SpanStatus,
  TimeInput,
  Tracer,
} from '@opentelemetry/api'
import { SpanStatusCode, trace } from '@opentelemetry/api'
import type { InterceptedCall } from '../bus/call.ts'
import { labelOf } from '../bus/thrown.ts'
import { spanTime } from './span-clock.ts'

export class CallSpan implements Span {
  readonly #tracer: Tracer
  readonly #call: InterceptedCall
  readonly #parent: Context
  readonly #startedAt = spanTime()
  /** Whether it is the active span while the call runs. */
  readonly isActive: boolean
  #span: Span | undefined
  #isUsed = false
  #ended = false

  /** @param parent contains the span of the caller; without one, the sampler decides, see `isSampled` */
  constructor(tracer: Tracer, call: InterceptedCall, parent: Context, isActive: boolean) {
    this.#tracer = tracer
    this.#call = call
    this.#parent = parent
    this.isActive = isActive
  }

  /** Whether the sampler keeps the span. To be read for the first span of a trace; the others follow it. */
  get isSampled(): boolean {
    return this.#started().isRecording()
  }

  /** The id of its trace. Reading it does not count as use. */
  get traceId(): string {
    const parent = trace.getSpan(this.#parent)
    if (this.#span || !parent) return this.#started().spanContext().traceId
    return parent instanceof CallSpan ? parent.traceId : parent.spanContext().traceId
  }

  /** Ends the call, and with it the span. A call that was answered synchronously has none, unless it was used. */
  finish(isSynchronous: boolean, failure?: { readonly error: unknown }): void {
    this.#ended = true
    if (isSynchronous && !this.#isUsed) return // what has been started is not exported
    const span = this.#used()
    if (failure) span.setAttribute('error.type', labelOf(failure.error)).setStatus({ code: SpanStatusCode.ERROR })
    span.end(spanTime())
  }

  spanContext(): SpanContext {
    return this.#used().spanContext()
  }

  isRecording(): boolean {
    return !this.#ended
  }

  setAttribute(...parameters: Parameters<Span['setAttribute']>): this {
    this.#used().setAttribute(...parameters)
    return this
  }

  setAttributes(attributes: Attributes): this {
    this.#used().setAttributes(attributes)
    return this
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    this.#used().addEvent(name, attributesOrTime, time)
    return this
  }

  addLink(link: Link): this {
    this.#used().addLink(link)
    return this
  }

  addLinks(links: Link[]): this {
    this.#used().addLinks(links)
    return this
  }

  setStatus(status: SpanStatus): this {
    this.#used().setStatus(status)
    return this
  }

  updateName(name: string): this {
    this.#used().updateName(name)
    return this
  }

  recordException(exception: Exception, time?: TimeInput): void {
    this.#used().recordException(exception, time)
  }

  /** Does nothing: the span ends with the call. */
  end(): void {}

  #used(): Span {
    this.#isUsed = true
    return this.#started()
  }

  #started(): Span {
    if (this.#span) return this.#span
    const { channel, kind, handler } = this.#call
    const attributes = { 'bus.channel': channel, 'bus.kind': kind, 'bus.handler': handler }
    this.#span = this.#tracer.startSpan(channel, { startTime: this.#startedAt, attributes }, this.#parent)
    return this.#span
  }
}
