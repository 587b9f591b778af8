/**
 * Numbers in the text format of Prometheus, as prom-client writes it:
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry, register } from 'prom-client'
import type { Distribution, Metric } from '../../channels.ts'

/**
 * The metrics, and with them those of the process.
 * @param onFault is told of what cannot be shown, and is left out
 */
export async function exposition(
  metrics: readonly Metric[],
  onFault: (metric: Metric, error: unknown) => void,
): Promise<{ readonly contentType: string; readonly text: string }> {
  const shown = Registry.merge([processMetrics()])
  const names = new Set<string>()
  for (const metric of metrics) {
    try {
      // The first has it, even if there is nothing to show of it yet.
      if (names.has(metric.name)) throw new Error(`a metric with the name ${metric.name} has already been given`)
      names.add(metric.name)
      show(metric, shown)
    } catch (error) {
      onFault(metric, error)
    }
  }
  return { contentType: shown.contentType, text: await shown.metrics() }
}

/** What prom-client counts of every process, and is not shown. */
const unwanted = [
  'nodejs_version_info', // which holes there are to look for is nobody's business
  // Gauges, whatever the name says, and no more than the sums of others.
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/**
 * There is one process, however often a server starts in it, and prom-client cannot stop watching: so it is told to once,
 * with the registry that it has for this.
 */
function processMetrics(): Registry {
  if (register.getSingleMetric('process_cpu_seconds_total')) return register
  collectDefaultMetrics()
  for (const name of unwanted) register.removeSingleMetric(name)
  return register
}

/** @throws Error if there is one of this name, or names and values are not what Prometheus takes */
function show(metric: Metric, registry: Registry): void {
  if (metric.values.length === 0) return // it would be shown as 0, which is a value
  if (metric.type === 'histogram') {
    registry.registerMetric(new CountedHistogram(metric))
    return
  }
  const { name, help, type, values } = metric
  const labelNames = [...new Set(values.flatMap(({ labels = {} }) => Object.keys(labels)))]
  const shown = new (type === 'counter' ? Counter : Gauge)({ name, help, labelNames, registers: [] })
  for (const { labels = {}, value } of values) shown.inc(labels, value)
  registry.registerMetric(shown) // now that it is whole
}

/** One whose values were counted elsewhere. prom-client has no other way to be given them than what it asks itself. */
class CountedHistogram extends Histogram {
  readonly #distribution: Distribution

  constructor(distribution: Distribution) {
    super({ name: distribution.name, help: distribution.help, registers: [] })
    this.#distribution = distribution
  }

  async getForPromString() {
    const { name, help, type, values } = this.#distribution
    const samples = values.flatMap(({ labels = {}, buckets, sum, count }) => [
      ...[...buckets, { atMost: '+Inf', count }].map(({ atMost, count: value }) => ({
        metricName: `${name}_bucket`,
        labels: { le: atMost, ...labels },
        value,
      })),
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ])
    return { name, help, type, values: samples, aggregator: 'sum' }
  }
}
