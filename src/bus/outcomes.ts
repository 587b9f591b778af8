/** Collectors, which turn the outcomes of an event's listeners into the result of a publish. */
import { ChannelFailures, type Failure } from './errors.ts'

/** The outcome of one listener, like those of `Promise.allSettled`, with the listener's name. */
export type SettledOutput<Output> =
  | { readonly handler: string; readonly status: 'fulfilled'; readonly value: Output }
  | { readonly handler: string; readonly status: 'rejected'; readonly reason: unknown }

/** Receives the outcome of each listener in the order of delivery. */
export interface Collector<Output, Result> {
  fulfilled(handler: string, value: Output): void
  rejected(handler: string, reason: unknown): void
  result(): Result
}

/** The outputs alone, for `publish`. The result is ChannelFailures if any listener failed. */
export class Outputs<Output> implements Collector<Output, Output[]> {
  readonly #channel: string
  readonly #outputs: Output[] = []
  #failures: Failure[] | undefined

  constructor(channel: string) {
    this.#channel = channel
  }

  fulfilled(_handler: string, value: Output): void {
    this.#outputs.push(value)
  }

  rejected(listener: string, error: unknown): void {
    this.#failures ??= []
    this.#failures.push({ listener, error })
  }

  /** @throws ChannelFailures */
  result(): Output[] {
    if (this.#failures) throw new ChannelFailures(this.#channel, this.#failures, this.#outputs)
    return this.#outputs
  }
}

/** Every outcome with the name of its listener, for `publishSettled`. */
export class SettledOutputs<Output> implements Collector<Output, SettledOutput<Output>[]> {
  readonly #settled: SettledOutput<Output>[] = []

  fulfilled(handler: string, value: Output): void {
    this.#settled.push({ handler, status: 'fulfilled', value })
  }

  rejected(handler: string, reason: unknown): void {
    this.#settled.push({ handler, status: 'rejected', reason })
  }

  result(): SettledOutput<Output>[] {
    return this.#settled
  }
}

/** @throws ChannelFailures if any listener failed */
export function outputsOf<Output>(channel: string, settled: readonly SettledOutput<Output>[]): Output[] {
  const outputs = new Outputs<Output>(channel)
  for (const outcome of settled) {
    if (outcome.status === 'fulfilled') outputs.fulfilled(outcome.handler, outcome.value)
    else outputs.rejected(outcome.handler, outcome.reason)
  }
  return outputs.result()
}
