/** Reads the metrics that subscribers report on the bus. */
import type { ProcessBus } from '../../src/bus/process/process-bus.ts'
import { collectMetrics } from '../../src/channels.ts'

/** The values of a metric by its label values, as in `{ 'thedoctor hit': 1 }`. */
export async function metricValues(bus: ProcessBus, metricName: string): Promise<Record<string, number>> {
  const metrics = (await bus.publish(collectMetrics)).flat()
  const metric = metrics.find(({ name }) => name === metricName)
  const values = metric === undefined || metric.type === 'histogram' ? [] : metric.values
  return Object.fromEntries(values.map(({ labels = {}, value }) => [Object.values(labels).join(' '), value]))
}
