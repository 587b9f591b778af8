/** A counter for `metrics.collect`. */
import type { Numbers } from '../channels.ts'
import { checkDefinition, type Labels, type MetricDefinition, SeriesByLabels } from './definition.ts'

/** One series of a counter. */
export interface CounterSeries {
  /**
   * @param value the increase; 1 by default
   * @throws RangeError if the value is negative or not finite
   */
  add(value?: number): void
}

/** A counter without labels. It starts at 0. */
export interface Counter extends CounterSeries {
  /** The current value, for `metrics.collect`. */
  metric(): Numbers
}

/** A counter with a series for each set of labels. */
export interface LabeledCounter<Label extends string> {
  /**
   * Returns the series of a set of labels, which starts at 0. Keep it where increases are frequent: `add` only adds,
   * while this method searches.
   * @throws TypeError unless each label of the counter, and no other, has a string
   */
  labels(values: Labels<Label>): CounterSeries
  /** The current values, for `metrics.collect`. */
  metric(): Numbers
}

/**
 * Defines a counter, which only grows: `counter({ name: 'orders_total', help: 'Orders.', labels: ['state'] })`.
 * @param definition.labels the names of its labels; without them, the counter has one series
 * @throws TypeError or RangeError if a name is invalid
 */
export function counter(definition: MetricDefinition): Counter
export function counter<const Label extends string>(
  definition: MetricDefinition & { readonly labels: readonly Label[] },
): LabeledCounter<Label>
export function counter(
  definition: MetricDefinition & { readonly labels?: readonly string[] },
): Counter | LabeledCounter<string> {
  const { name, help, labels } = definition
  checkDefinition(definition, labels ?? [], 'counter')
  const metric = (values: Numbers['values']): Numbers => ({ name, help, type: 'counter', values })
  if (labels === undefined) {
    const series = new Count(name)
    return { add: (value) => series.add(value), metric: () => metric([{ value: series.value }]) }
  }
  const all = new SeriesByLabels(name, labels, () => new Count(name))
  return { labels: (values) => all.of(values), metric: () => metric(all.map(({ value }) => ({ value }))) }
}

class Count implements CounterSeries {
  value = 0
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }

  add(value = 1): void {
    if (!(Number.isFinite(value) && value >= 0))
      throw new RangeError(`increase of ${this.#name} must be finite and not negative, received ${String(value)}`)
    this.value += value
  }
}
