import { type Context, type Span, trace } from '@opentelemetry/api'

/**
 * The same as `trace.setSpan(outer, span)`, which copies a map, but makes it on first use: most calls on the bus are
 * answered without.
 */
export class ContextWithSpan implements Context {
  readonly #outer: Context
  readonly #span: Span
  #made: Context | undefined

  constructor(outer: Context, span: Span) {
    this.#outer = outer
    this.#span = span
  }

  getValue(key: symbol): unknown {
    return this.#context.getValue(key)
  }

  setValue(key: symbol, value: unknown): Context {
    return this.#context.setValue(key, value)
  }

  deleteValue(key: symbol): Context {
    return this.#context.deleteValue(key)
  }

  get #context(): Context {
    this.#made ??= trace.setSpan(this.#outer, this.#span)
    return this.#made
  }
}
