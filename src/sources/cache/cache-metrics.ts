/** Metrics of the cache: reads, fetches and the age of the values. */

import { codeOf } from '../../bus/errors.ts'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import type { Metric } from '../../channels.ts'
import { counter } from '../../metrics/counter.ts'
import type { CachedSecret, Fetch } from './cached-secret.ts'

/** Outcomes by error code. Any other error is an `error`. */
const failures: ReadonlyMap<unknown, string> = new Map([
  ['SECRET_NOT_FOUND', 'not_found'],
  ['SOURCE_STARTING', 'starting'],
  ['SOURCE_THROTTLED', 'throttled'],
  ['SOURCE_TIMEOUT', 'timeout'],
  ['SOURCE_UNAVAILABLE', 'unavailable'],
  ['SOURCE_REFUSED', 'refused'],
])

/** Creates the counter of fetches by code name and outcome. */
export const fetchCounter = ({ metricPrefix }: Pick<ServiceInfo, 'metricPrefix'>) =>
  counter({
    name: `${metricPrefix}secret_fetches_total`,
    help: 'Fetches from the source by code name and outcome: ok, not_found or the kind of failure.',
    labels: ['code_name', 'outcome'],
  })

/** Counts the outcomes of a fetch function. */
export function counted(fetch: Fetch, codeName: string, fetches: ReturnType<typeof fetchCounter>): Fetch {
  const series = (outcome: string) => fetches.labels({ code_name: codeName, outcome })
  // Starts all series at 0, because Prometheus does not see the first increase of a new time series.
  for (const outcome of ['ok', ...failures.values(), 'error']) series(outcome)
  return async (id) => {
    try {
      const secret = await fetch(id)
      series('ok').add()
      return secret
    } catch (error) {
      series(failures.get(codeOf(error)) ?? 'error').add()
      throw error
    }
  }
}

/** @param secrets the secrets by code name */
export function cacheMetrics(
  { metricPrefix }: Pick<ServiceInfo, 'metricPrefix'>,
  secrets: ReadonlyMap<string, CachedSecret>,
  fetches: ReturnType<typeof fetchCounter>,
): Metric[] {
  const entries = Array.from(secrets, ([codeName, secret]) => ({ labels: { code_name: codeName }, secret }))
  return [
    {
      name: `${metricPrefix}secret_reads_total`,
      help: 'Cache reads by code name and result: hit, stale, miss, coalesced, negative or backoff.',
      type: 'counter',
      values: entries.flatMap(({ labels, secret: { reads } }) =>
        Object.entries(reads).map(([result, value]) => ({ labels: { ...labels, result }, value })),
      ),
    },
    fetches.metric(),
    {
      name: `${metricPrefix}secret_age_seconds`,
      help: 'Time since the served value was read from the source, by code name.',
      type: 'gauge',
      values: entries.flatMap(({ labels, secret: { age } }) =>
        age === undefined ? [] : [{ labels, value: age / 1_000 }],
      ),
    },
  ]
}
