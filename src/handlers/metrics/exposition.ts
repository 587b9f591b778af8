/**
 * Renders metrics in the Prometheus text format with prom-client:
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
import { Counter, collectDefaultMetrics, Gauge, register as globalRegistry, Histogram, Registry } from 'prom-client'
import type { Distribution, Metric } from '../../channels.ts'

/**
 * Renders the metrics, together with those of the process.
 * @param onError is called for each invalid metric, which is omitted
 */
export async function exposition(
  metrics: readonly Metric[],
  onError: (metric: Metric, error: unknown) => void,
): Promise<{ readonly contentType: string; readonly text: string }> {
  const registry = Registry.merge([processMetrics()])
  const names = new Set<string>()
  for (const metric of metrics) {
    try {
      // Checked here, because a metric without values is not registered.
      if (names.has(metric.name)) throw new Error('duplicate name')
      names.add(metric.name)
      register(metric, registry)
    } catch (error) {
      onError(metric, error)
    }
  }
  return { contentType: registry.contentType, text: await registry.metrics() }
}

/** Default metrics of prom-client that are not exposed. */
const unwanted = [
  'nodejs_version_info', // would reveal known vulnerabilities
  // Gauges despite their names, and only the sums of other metrics.
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/**
 * Collects the process metrics in prom-client's global registry, once per process: prom-client cannot stop collecting
 * them, and a server may start several times.
 */
function processMetrics(): Registry {
  if (globalRegistry.getSingleMetric('process_cpu_seconds_total')) return globalRegistry
  collectDefaultMetrics()
  for (const name of unwanted) globalRegistry.removeSingleMetric(name)
  return globalRegistry
}

/** @throws Error if the name is taken, or a name, label or value is invalid */
function register(metric: Metric, registry: Registry): void {
  if (metric.values.length === 0) return // prom-client would render it as 0
  if (metric.type === 'histogram') {
    registry.registerMetric(new CountedHistogram(metric))
    return
  }
  const { name, help, type, values } = metric
  const labelNames = [...new Set(values.flatMap(({ labels = {} }) => Object.keys(labels)))]
  const registered = new (type === 'counter' ? Counter : Gauge)({ name, help, labelNames, registers: [] })
  for (const { labels = {}, value } of values) registered.inc(labels, value)
  registry.registerMetric(registered) // last, so that an invalid value leaves nothing behind
}

/** A histogram that is counted elsewhere. prom-client cannot set the values of one, so this overrides their getter. */
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
