/** Metrics of the bus: calls of listeners and providers, and the state of the process. */
import { type State, states } from '../../bus/process/lifecycle.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import { type Outcome, outcomeOf } from '../../bus/taps.ts'
import { collectMetrics, type Metric } from '../../channels.ts'

type Prefix = Pick<ServiceInfo, 'metricPrefix'>

interface Calls {
  readonly labels: { readonly channel: string; readonly by: string; readonly outcome: Outcome }
  count: number
  seconds: number
}

export const busMetrics = (): Subscriber => (bus) => {
  const all: Calls[] = []
  // Nested maps cost less per call than building a composite key.
  const byChannel = new Map<string, Map<string, Partial<Record<Outcome, Calls>>>>()

  const callsOf = (channel: string, by: string, outcome: Outcome): Calls => {
    const byHandler = byChannel.get(channel) ?? new Map<string, Partial<Record<Outcome, Calls>>>()
    const byOutcome = byHandler.get(by) ?? {}
    const known = byOutcome[outcome]
    if (known) return known
    const calls = { labels: { channel, by, outcome }, count: 0, seconds: 0 }
    all.push(calls)
    byOutcome[outcome] = calls
    byChannel.set(channel, byHandler.set(by, byOutcome))
    return calls
  }

  bus.tap((activity) => {
    const calls = callsOf(activity.channel, activity.by, outcomeOf(activity))
    calls.count += 1
    calls.seconds += activity.ms / 1_000
  })

  bus.subscribe(collectMetrics, () => [...callMetrics(bus.service, all), stateMetric(bus.service, bus.state)])
}

function callMetrics({ metricPrefix }: Prefix, calls: Calls[]): Metric[] {
  return [
    {
      name: `${metricPrefix}calls_total`,
      help: 'Bus calls by channel, listener or provider, and outcome (ok, error or timeout).',
      type: 'counter',
      values: calls.map(({ labels, count }) => ({ labels, value: count })),
    },
    {
      name: `${metricPrefix}call_seconds_total`,
      help: 'Total duration of bus calls by channel, listener or provider, and outcome.',
      type: 'counter',
      values: calls.map(({ labels, seconds }) => ({ labels, value: seconds })),
    },
  ]
}

function stateMetric({ metricPrefix }: Prefix, current: State): Metric {
  return {
    name: `${metricPrefix}state`,
    help: 'Process state: 1 for the current state, 0 for all others.',
    type: 'gauge',
    values: states.map((state) => ({ labels: { state }, value: state === current ? 1 : 0 })),
  }
}
