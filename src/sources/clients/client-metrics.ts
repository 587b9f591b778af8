/** Metrics of the clients: the uses of each token, and how long the clients have been stale. */
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import type { Metric } from '../../channels.ts'
import { clientLabels } from '../../metrics/client-label.ts'
import type { KnownClients } from './known-clients.ts'
import type { Staleness } from './staleness.ts'

export function clientMetrics(
  { metricPrefix }: Pick<ServiceInfo, 'metricPrefix'>,
  known: KnownClients | undefined,
  staleness: Staleness,
): Metric[] {
  const clientLabel = clientLabels()
  const uses = new Map<string, { readonly labels: { client: string; token: string }; value: number }>()
  for (const { client, token, uses: value } of known?.tokens ?? []) {
    const label = clientLabel(client)
    const labels = { client: label, token: label === client ? token : 'other' }
    const key = Object.values(labels).join(' ')
    uses.set(key, { labels, value: value + (uses.get(key)?.value ?? 0) })
  }
  return [
    {
      name: `${metricPrefix}token_uses_total`,
      help: 'Requests by client and token, which is identified by the first digits of its SHA-256 hash.',
      type: 'counter',
      values: [...uses.values()],
    },
    {
      name: `${metricPrefix}clients_stale_seconds`,
      help: 'Time since the clients in use could not be read again; 0 if they are up to date.',
      type: 'gauge',
      values: [{ value: staleness.duration / 1_000 }],
    },
  ]
}
