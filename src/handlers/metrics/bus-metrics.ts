/** Metrics of the bus: calls of listeners and providers, and the state of the process. */
import { type State, states } from '../../bus/process/lifecycle.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import { type Outcome, outcomeOf } from '../../bus/taps.ts'
import { collectMetrics, type Metric } from '../../channels.ts'
import { type CounterSeries, counter } from '../../metrics/counter.ts'
import { refusals } from '../server/refusals.ts'

interface CallSeries {
  readonly calls: CounterSeries
  readonly seconds: CounterSeries
}

export const busMetrics = (): Subscriber => (bus) => {
  const labels = ['channel', 'by', 'outcome'] as const
  const calls = counter({
    name: `${bus.service.metricPrefix}calls_total`,
    help: 'Bus calls by channel, listener or provider, and outcome (ok, refused, error or timeout).',
    labels,
  })
  const seconds = counter({
    name: `${bus.service.metricPrefix}call_seconds_total`,
    help: 'Total duration of bus calls by channel, listener or provider, and outcome.',
    labels,
  })
  // Nested maps cost less per call than the labels.
  const byChannel = new Map<string, Map<string, Partial<Record<Outcome, CallSeries>>>>()

  const seriesOf = (channel: string, by: string, outcome: Outcome): CallSeries => {
    const byHandler = byChannel.get(channel) ?? new Map<string, Partial<Record<Outcome, CallSeries>>>()
    const byOutcome = byHandler.get(by) ?? {}
    const known = byOutcome[outcome]
    if (known) return known
    const values = { channel, by, outcome }
    const series = { calls: calls.labels(values), seconds: seconds.labels(values) }
    byOutcome[outcome] = series
    byChannel.set(channel, byHandler.set(by, byOutcome))
    return series
  }

  const isRefusal = refusals(bus)
  bus.tap((activity) => {
    const series = seriesOf(activity.channel, activity.by, outcomeOf(activity, isRefusal))
    series.calls.add()
    series.seconds.add(activity.ms / 1_000)
  })

  bus.subscribe(collectMetrics, () => [calls.metric(), seconds.metric(), stateMetric(bus.service, bus.state)])
}

function stateMetric({ metricPrefix }: Pick<ServiceInfo, 'metricPrefix'>, current: State): Metric {
  return {
    name: `${metricPrefix}state`,
    help: 'Process state: 1 for the current state, 0 for all others.',
    type: 'gauge',
    values: states.map((state) => ({ labels: { state }, value: state === current ? 1 : 0 })),
  }
}
