/** Interceptors: functions around every call of a listener or provider, for tracing, retries and similar concerns. */
import type { InterceptedCall, LimitedCall } from './call.ts'
import type { Answer } from './delivery.ts'
import type { Subscription } from './registry.ts'

/**
 * Runs instead of a call. `next` makes the call, within its limits, or calls the next interceptor. It returns or throws
 * what the listener or provider does, and may be called again, as in a retry. What the interceptor returns or throws is
 * the outcome of the call.
 */
export type Interceptor = (call: InterceptedCall, next: () => unknown) => unknown

/** Calls a listener or provider. */
type Run = <Input, Output>(call: LimitedCall, callee: Subscription<Input, Output>, input: Input) => Answer<Output>

type Installed = readonly { readonly interceptor: Interceptor }[]

export class Interceptors {
  readonly #innermost: Run
  #installed: Installed = []
  /** Calls a listener or provider through all interceptors; undefined if there are none. */
  run: Run | undefined

  /** @param innermost calls the listener or provider itself */
  constructor(innermost: Run) {
    this.#innermost = innermost
  }

  /** Installs an interceptor inside of the others, and returns the function that removes it. */
  add(interceptor: Interceptor): () => void {
    const added = { interceptor } // the same function may be installed twice
    this.#install([...this.#installed, added])
    return () => this.#install(this.#installed.filter((other) => other !== added))
  }

  #install(installed: Installed): void {
    this.#installed = installed
    // Composed once: per call and interceptor, only `next` is created.
    this.run =
      installed.length === 0
        ? undefined
        : installed.reduceRight<Run>((inner, { interceptor }) => around(interceptor, inner), this.#innermost)
  }
}

function around(interceptor: Interceptor, inner: Run): Run {
  return <Input, Output>(call: LimitedCall, callee: Subscription<Input, Output>, input: Input) =>
    // An interceptor may return anything; by its contract, this is the outcome of the call.
    interceptor(call, () => inner(call, callee, input)) as Answer<Output>
}
