/** What the metrics of subscribers have in common: their names, and the series of each set of labels. */

/** Names and labels follow https://prometheus.io/docs/practices/naming/. */
export interface MetricDefinition {
  readonly name: string
  /** One sentence for the reader of the metric. */
  readonly help: string
}

/** The values of a metric's labels. They must not come from clients, which could then create any number of series. */
export type Labels<Label extends string> = Readonly<Record<Label, string>>

/** https://prometheus.io/docs/concepts/data_model/ */
export const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
export const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/

/** Whether Prometheus uses the label itself; `le` is the bound of a bucket. */
export function isReserved(label: string, type: 'counter' | 'gauge' | 'histogram'): boolean {
  return label.startsWith('__') || (type === 'histogram' && label === 'le')
}

/** @throws TypeError if the name, the help text or the name of a label is invalid; RangeError if a label is reserved */
export function checkDefinition(
  { name, help }: MetricDefinition,
  labels: readonly string[],
  type: 'counter' | 'histogram',
): void {
  if (!matches(name, metricName)) throw new TypeError(`name must match ${metricName.source}, received ${quoted(name)}`)
  if (typeof help !== 'string' || help.trim() === '') throw new TypeError(`help of ${name} must be a text`)
  if (!Array.isArray(labels)) throw new TypeError(`labels of ${name} must be a list`)
  for (const label of labels) {
    if (!matches(label, labelName))
      throw new TypeError(`label of ${name} must match ${labelName.source}, received ${quoted(label)}`)
    if (isReserved(label, type)) throw new RangeError(`label ${label} of ${name} is reserved`)
  }
  if (new Set(labels).size < labels.length) throw new RangeError(`labels of ${name} must differ`)
}

/** The series of one metric, by the values of its labels. */
export class SeriesByLabels<Label extends string, Series> {
  readonly #name: string
  readonly #labels: readonly Label[]
  readonly #create: () => Series
  readonly #series = new Map<string, { readonly labels: Labels<Label>; readonly series: Series }>()

  constructor(name: string, labels: readonly Label[], create: () => Series) {
    this.#name = name
    this.#labels = [...labels]
    this.#create = create
  }

  /**
   * Returns the series of these values, always the same one.
   * @throws TypeError unless each label of the metric, and no other, has a string
   */
  of(values: Labels<Label>): Series {
    const texts = this.#labels.map((label) => {
      const value: unknown = values[label]
      if (typeof value !== 'string')
        throw new TypeError(`label ${label} of ${this.#name} must be a string, received ${typeof value}`)
      return [label, value] as const
    })
    const unknown = Object.keys(values).find((name) => !this.#labels.some((label) => label === name))
    if (unknown !== undefined) throw new TypeError(`${this.#name} must have no label ${unknown}`)
    const key = JSON.stringify(texts)
    const known = this.#series.get(key)
    if (known) return known.series
    const series = this.#create()
    const labels = Object.fromEntries(texts) as Labels<Label> // checked above
    this.#series.set(key, { labels, series })
    return series
  }

  /** All series, in the order of their first use. */
  map<Value extends object>(read: (series: Series) => Value): (Value & { readonly labels: Labels<Label> })[] {
    return Array.from(this.#series.values(), ({ labels, series }) => ({ labels, ...read(series) }))
  }
}

function matches(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value)
}

function quoted(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 100)) : typeof value
}
