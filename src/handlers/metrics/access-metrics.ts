/** Counts the accesses to secrets by client, code name and status. */
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { collectMetrics, secretAccessed } from '../../channels.ts'
import { clientLabels } from '../../metrics/client-label.ts'
import { type CounterSeries, counter } from '../../metrics/counter.ts'

export interface AccessMetricsOptions {
  /** Code names with time series of their own. All others share one, because clients choose them. */
  readonly codeNames: readonly string[]
}

export const accessMetrics =
  ({ codeNames }: AccessMetricsOptions): Subscriber =>
  (bus) => {
    const accesses = counter({
      name: `${bus.service.metricPrefix}secret_accesses_total`,
      help: 'Requests for secrets by client, which is empty if it is unknown, code name and status.',
      labels: ['client', 'code_name', 'status'],
    })
    const knownNames = new Set(codeNames)
    const clientLabel = clientLabels()
    // By text, because `labels` is slower than all the rest.
    const series = new Map<string, CounterSeries>()

    bus.subscribe(secretAccessed, ({ client: name, codeName, status }) => {
      const client = name === undefined ? '' : clientLabel(name)
      const code_name = knownNames.has(codeName) ? codeName : 'other'
      const key = `${client}\n${code_name}\n${status}`
      const known = series.get(key) ?? accesses.labels({ client, code_name, status: String(status) })
      series.set(key, known)
      known.add()
    })

    bus.subscribe(collectMetrics, () => [accesses.metric()])
  }
