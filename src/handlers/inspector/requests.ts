/** Identifies the calls on the bus, and groups them by the request, or other cause, that they were made for. */

/** A call, or a background read of a cache. */
export interface Span {
  readonly id?: string | undefined
  readonly parent?: Span | undefined
}

export interface Position {
  /** Identifies the span. */
  readonly span: number
  /** The span that caused this one, if it is known. */
  readonly parent: number | undefined
  /** Identifies the request: an id, or a span if none has an id. */
  readonly request: string
  /** Counts the finished spans of the request, starting at 1, so that a reader sees which ones it has missed. */
  readonly nth: number
}

/** The number of requests whose spans are counted, more than messages are kept anywhere. */
const maxCounted = 1_000

export class Requests {
  /** Weak, because calls exist as long as the work that refers to them. */
  readonly #numbers = new WeakMap<Span, number>()
  readonly #causes = new WeakMap<Span, Span>()
  /** Finished spans by request, least recently used first. */
  readonly #counts = new Map<string, number>()
  #last = 0

  /** Puts a span between another one and its parent. */
  insert(cause: Span, span: Span): void {
    if (span.parent) this.#causes.set(cause, span.parent)
    this.#causes.set(span, cause)
  }

  /** Counts a finished span, and returns its position. */
  add(span: Span): Position {
    const parent = this.#parentOf(span)
    const request = this.#requestOf(span)
    const nth = (this.#counts.get(request) ?? 0) + 1
    this.#counts.delete(request)
    this.#counts.set(request, nth)
    const [oldest] = this.#counts.keys()
    if (oldest !== undefined && this.#counts.size > maxCounted) this.#counts.delete(oldest)
    return { span: this.#numberOf(span), parent: parent && this.#numberOf(parent), request, nth }
  }

  #parentOf(span: Span): Span | undefined {
    return this.#causes.get(span) ?? span.parent
  }

  #numberOf(span: Span): number {
    const known = this.#numbers.get(span)
    if (known !== undefined) return known
    this.#last += 1
    this.#numbers.set(span, this.#last)
    return this.#last
  }

  /** The outermost id, because a handler may pass on another one; without any, the outermost span. */
  #requestOf(span: Span): string {
    let outermost = span
    let id = span.id
    for (let parent = this.#parentOf(span); parent !== undefined; parent = this.#parentOf(parent)) {
      outermost = parent
      id = parent.id ?? id
    }
    return id ?? `call ${this.#numberOf(outermost)}`
  }
}
