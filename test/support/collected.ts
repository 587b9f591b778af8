/** What those on the bus say that they have counted. */
import type { ProcessBus } from '../../src/bus/process/process-bus.ts'
import { collectMetrics } from '../../src/channels.ts'

/** The values of a metric by those of its labels, as in `{ 'thedoctor hit': 1 }`. */
export async function collected(bus: ProcessBus, wanted: string): Promise<Record<string, number>> {
  const metrics = (await bus.publish(collectMetrics)).flat()
  const metric = metrics.find(({ name }) => name === wanted)
  const values = metric === undefined || metric.type === 'histogram' ? [] : metric.values
  return Object.fromEntries(values.map(({ labels = {}, value }) => [Object.values(labels).join(' '), value]))
}
