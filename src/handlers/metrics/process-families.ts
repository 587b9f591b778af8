/** The metrics of the process, which prom-client collects. */
import { setTimeout } from 'node:timers/promises'
import { collectDefaultMetrics, register } from 'prom-client'
import { messageOf } from '../../bus/errors.ts'
import type { OnInvalid } from './exposition.ts'
import type { Family } from './family.ts'

/** Default metrics of prom-client that are not exposed. */
const excluded = [
  'nodejs_version_info', // the version is part of `build_info`
  // Gauges despite their names, and only the sums of other metrics.
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/** The suffixes of all samples, including those of a histogram that has no values yet. */
const suffixes = ['', '_bucket', '_sum', '_count']

/** Time limit in milliseconds. */
const timeout = 1_000

/**
 * Renders prom-client's global registry, which collects once per process: prom-client cannot stop collecting, and a
 * server may start several times. A plugin may have added metrics to it, so one that fails or hangs must not affect the
 * others.
 */
export async function processFamilies(onInvalid: OnInvalid): Promise<Family[]> {
  if (!register.getSingleMetric('process_cpu_seconds_total')) {
    collectDefaultMetrics()
    for (const name of excluded) register.removeSingleMetric(name)
  }
  const done = new AbortController()
  const late = setTimeout(timeout, undefined, { signal: done.signal }).then(() => {
    throw new Error(`metric must be collected within ${timeout} ms`)
  })
  late.catch(() => {})
  const rendering = register.getMetricsAsArray().map(async ({ name }): Promise<Family[]> => {
    try {
      const text = await Promise.race([register.getSingleMetricAsString(name), late])
      return [{ names: suffixes.map((suffix) => name + suffix), text }]
    } catch (error) {
      onInvalid('prom-client', `${name}: ${messageOf(error)}`)
      return []
    }
  })
  const families = await Promise.all(rendering)
  done.abort()
  return families.flat()
}
