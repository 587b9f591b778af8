/** Metrics of the cache: reads, fetches and the age of the values. */

import { codeOf } from '../../bus/errors.ts'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import type { Metric } from '../../channels.ts'
import type { CachedSecret, Fetch } from './cached-secret.ts'

/** Number of fetches by outcome. */
export type FetchCounts = Map<string, number>

/** Outcomes by error code. Any other error is an `error`. */
const failures: ReadonlyMap<unknown, string> = new Map([
  ['SECRET_NOT_FOUND', 'not_found'],
  ['SOURCE_STARTING', 'starting'],
  ['SOURCE_THROTTLED', 'throttled'],
  ['SOURCE_TIMEOUT', 'timeout'],
  ['SOURCE_UNAVAILABLE', 'unavailable'],
  ['SOURCE_REFUSED', 'refused'],
])

/** Counts the outcomes of a fetch function. */
export function counted(fetch: Fetch, counts: FetchCounts): Fetch {
  // Starts all counters at 0, because Prometheus does not see the first increase of a new time series.
  for (const outcome of ['ok', ...failures.values(), 'error']) counts.set(outcome, 0)
  const count = (outcome: string) => counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  return async (id) => {
    try {
      const secret = await fetch(id)
      count('ok')
      return secret
    } catch (error) {
      count(failures.get(codeOf(error)) ?? 'error')
      throw error
    }
  }
}

/** @param cache the secrets and the outcomes of their fetches, by code name */
export function cacheMetrics(
  { metricPrefix }: Pick<ServiceInfo, 'metricPrefix'>,
  cache: ReadonlyMap<string, { secret: CachedSecret; fetches: FetchCounts }>,
): Metric[] {
  const entries = Array.from(cache, ([codeName, entry]) => ({ labels: { code_name: codeName }, ...entry }))
  return [
    {
      name: `${metricPrefix}secret_reads_total`,
      help: 'Cache reads by code name and result: hit, stale, miss, coalesced, negative or backoff.',
      type: 'counter',
      values: entries.flatMap(({ labels, secret }) => values(labels, 'result', Object.entries(secret.reads))),
    },
    {
      name: `${metricPrefix}secret_fetches_total`,
      help: 'Fetches from the source by code name and outcome: ok, not_found or the kind of failure.',
      type: 'counter',
      values: entries.flatMap(({ labels, fetches }) => values(labels, 'outcome', fetches)),
    },
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

function values(labels: object, by: string, counts: Iterable<readonly [string, number]>) {
  return Array.from(counts, ([key, value]) => ({ labels: { ...labels, [by]: key }, value }))
}
