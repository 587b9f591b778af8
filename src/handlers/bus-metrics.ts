/** What the bus does, in numbers: the calls of listeners and providers, and the state of the process. */
import { type State, states } from '../bus/lifecycle.ts'
import type { Subscriber } from '../bus/process-bus.ts'
import { collectMetrics, type Metric } from '../channels.ts'
import { outcomeOf } from './outcome.ts'

interface Calls {
  readonly labels: { readonly channel: string; readonly by: string; readonly outcome: string }
  count: number
  seconds: number
}

export const busMetrics = (): Subscriber => (bus) => {
  const byLabels = new Map<string, Calls>()

  bus.tap((activity) => {
    const { channel, by, ms } = activity
    const outcome = outcomeOf(activity)
    const key = `${outcome} ${channel.length} ${channel} ${by}` // names may have spaces
    const calls = byLabels.get(key) ?? { labels: { channel, by, outcome }, count: 0, seconds: 0 }
    calls.count += 1
    calls.seconds += ms / 1_000
    byLabels.set(key, calls)
  })

  bus.subscribe(collectMetrics, () => [...callMetrics([...byLabels.values()]), stateMetric(bus.state)])
}

function callMetrics(calls: Calls[]): Metric[] {
  return [
    {
      name: 'secret_bus_calls_total',
      help: 'Calls on the bus by channel, by listener or provider, and by outcome: ok, error or timeout.',
      type: 'counter',
      values: calls.map(({ labels, count }) => ({ labels, value: count })),
    },
    {
      name: 'secret_bus_call_seconds_total',
      help: 'Time that calls on the bus took, by channel, by listener or provider, and by outcome.',
      type: 'counter',
      values: calls.map(({ labels, seconds }) => ({ labels, value: seconds })),
    },
  ]
}

function stateMetric(current: State): Metric {
  return {
    name: 'secret_bus_state',
    help: 'The state of the process: 1 for the one that it is in.',
    type: 'gauge',
    values: states.map((state) => ({ labels: { state }, value: state === current ? 1 : 0 })),
  }
}
