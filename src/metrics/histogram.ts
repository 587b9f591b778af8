/** A histogram for `metrics.collect`. */
import type { Distribution } from '../channels.ts'
import { checkDefinition, type Labels, type MetricDefinition, SeriesByLabels } from './definition.ts'

/** One series of a histogram. */
export interface HistogramSeries {
  /**
   * Counts a value.
   * @throws RangeError if the value is not finite
   */
  observe(value: number): void
}

/** A histogram without labels. */
export interface Histogram extends HistogramSeries {
  /** The current counts, for `metrics.collect`. */
  metric(): Distribution
}

/** A histogram with a series for each set of labels. */
export interface LabeledHistogram<Label extends string> {
  /**
   * Returns the series of a set of labels. Keep it where observations are frequent, because this method searches.
   * @throws TypeError unless each label of the histogram, and no other, has a string
   */
  labels(values: Labels<Label>): HistogramSeries
  /** The current counts, for `metrics.collect`. */
  metric(): Distribution
}

export interface HistogramDefinition extends MetricDefinition {
  /** Upper bounds, inclusive and ascending, in the unit of the name, such as seconds. `+Inf` is added. */
  readonly buckets: readonly number[]
}

/**
 * Defines a histogram: `histogram({ name: 'order_seconds', help: 'Duration of orders.', buckets: [0.1, 1, 10] })`.
 * @param definition.labels the names of its labels; without them, the histogram has one series
 * @throws TypeError or RangeError if a name or a bucket is invalid
 */
export function histogram(definition: HistogramDefinition): Histogram
export function histogram<const Label extends string>(
  definition: HistogramDefinition & { readonly labels: readonly Label[] },
): LabeledHistogram<Label>
export function histogram(
  definition: HistogramDefinition & { readonly labels?: readonly string[] },
): Histogram | LabeledHistogram<string> {
  const { name, help, labels } = definition
  checkDefinition(definition, labels ?? [], 'histogram')
  const buckets = checkedBuckets(definition)
  const metric = (values: Distribution['values']): Distribution => ({ name, help, type: 'histogram', values })
  if (labels === undefined) {
    const series = new Counts(name, buckets)
    return { observe: (value) => series.observe(value), metric: () => metric([series.current]) }
  }
  const all = new SeriesByLabels(name, labels, () => new Counts(name, buckets))
  return { labels: (values) => all.of(values), metric: () => metric(all.map(({ current }) => current)) }
}

function checkedBuckets({ name, buckets }: HistogramDefinition): readonly number[] {
  if (!Array.isArray(buckets) || buckets.length === 0)
    throw new TypeError(`buckets of ${name} must be a list of at least one number`)
  for (const [index, bound] of buckets.entries())
    if (!(Number.isFinite(bound) && bound > (buckets[index - 1] ?? -Infinity)))
      throw new RangeError(`buckets of ${name} must be finite and ascending, received ${buckets.join(', ')}`)
  return [...buckets]
}

class Counts implements HistogramSeries {
  readonly #name: string
  readonly #buckets: readonly number[]
  /** Values per bucket, not cumulative. */
  readonly #counts: number[]
  #sum = 0
  #count = 0

  constructor(name: string, buckets: readonly number[]) {
    this.#name = name
    this.#buckets = buckets
    this.#counts = buckets.map(() => 0)
  }

  observe(value: number): void {
    if (!Number.isFinite(value)) throw new RangeError(`value of ${this.#name} must be finite, received ${value}`)
    this.#sum += value
    this.#count += 1
    const bucket = this.#buckets.findIndex((atMost) => value <= atMost)
    if (bucket >= 0) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
  }

  get current() {
    let total = 0
    const buckets = this.#buckets.map((atMost, index) => {
      total += this.#counts[index] ?? 0
      return { atMost, count: total }
    })
    return { buckets, sum: this.#sum, count: this.#count }
  }
}
