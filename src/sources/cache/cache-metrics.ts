/** Metrics of a cache: requests, reads from the source, and the age and TTL of the values. */
import { codeOf } from '../../bus/errors.ts'
import type { Metric } from '../../channels.ts'
import { counter } from '../../metrics/counter.ts'
import type { CacheWords } from './cached.ts'
import { type CachedValue, noResults } from './cached-value.ts'
import type { ResolvedPolicy } from './policy.ts'

/** Outcomes by error code. Any other error is an `error`. */
const failures: ReadonlyMap<unknown, string> = new Map([
  ['SOURCE_STARTING', 'starting'],
  ['SOURCE_THROTTLED', 'throttled'],
  ['SOURCE_TIMEOUT', 'timeout'],
  ['SOURCE_UNAVAILABLE', 'unavailable'],
  ['SOURCE_REFUSED', 'refused'],
])

/** Counts the reads of a key. `isRefresh` is that of `Read`. */
interface ReadCounter {
  readonly success: (isRefresh: boolean) => void
  readonly failure: (error: unknown, isRefresh: boolean) => void
}

interface CacheMetricsOptions {
  /** Whether the metrics have a label by key: only for a fixed set of keys, as clients could name any other. */
  readonly byKey: boolean
  readonly isAbsent: (error: unknown) => boolean
  readonly policy: Pick<ResolvedPolicy, 'ttl'>
}

export interface CacheMetrics {
  /** Returns the functions that count the outcome of a read. */
  readonly counter: (key: string) => ReadCounter
  /** Returns the object that counts the requests of all keys, if the metrics have no label by key. */
  readonly results: ReturnType<typeof noResults> | undefined
  readonly collect: (
    values: Iterable<readonly [key: string, value: Pick<CachedValue<unknown, unknown>, 'results' | 'age'>]>,
  ) => Metric[]
}

export function cacheMetrics(
  prefix: string,
  { one, label }: CacheWords,
  { byKey, isAbsent, policy }: CacheMetricsOptions,
): CacheMetrics {
  const keyName = label.replaceAll('_', ' ')
  const by = byKey ? `${keyName} and ` : ''
  const labelsOf = (key: string) => (byKey ? { [label]: key } : {})
  const labelNames = byKey ? [label, 'outcome'] : ['outcome']
  const fetches = counter({
    name: `${prefix}${one}_fetches_total`,
    help: `Fetches from the source by ${by}outcome: ok, not_found or the kind of failure.`,
    labels: labelNames,
  })
  const refreshes = counter({
    name: `${prefix}${one}_refreshes_total`,
    help: `Fetches that refreshed a value in the background, after its first one, by ${by}outcome.`,
    labels: labelNames,
  })
  const results = byKey ? undefined : noResults()

  const outcomeOf = (error: unknown) => (isAbsent(error) ? 'not_found' : (failures.get(codeOf(error)) ?? 'error'))

  return {
    results,
    counter(key) {
      // Starts all series at 0, because Prometheus does not see the first increase of a new time series.
      for (const outcome of ['ok', 'not_found', ...failures.values(), 'error'])
        for (const metric of [fetches, refreshes]) metric.labels({ ...labelsOf(key), outcome })
      const count = (outcome: string, isRefresh: boolean) => {
        fetches.labels({ ...labelsOf(key), outcome }).add()
        if (isRefresh) refreshes.labels({ ...labelsOf(key), outcome }).add()
      }
      return {
        success: (isRefresh) => count('ok', isRefresh),
        failure: (error, isRefresh) => count(outcomeOf(error), isRefresh),
      }
    },
    collect(values) {
      const entries = Array.from(values, ([key, value]) => ({ labels: labelsOf(key), value }))
      const counts = results
        ? [{ labels: {}, results }]
        : entries.map(({ labels, value }) => ({ labels, results: value.results }))
      return [
        {
          name: `${prefix}${one}_reads_total`,
          help: `Cache reads by ${by}result: hit, stale, miss, coalesced, negative or backoff.`,
          type: 'counter',
          values: counts.flatMap(({ labels, results }) =>
            Object.entries(results).map(([result, value]) => ({ labels: { ...labels, result }, value })),
          ),
        },
        fetches.metric(),
        ...(byKey
          ? [
              refreshes.metric(),
              {
                name: `${prefix}${one}_age_seconds`,
                help: `Time since the served value was read from the source, by ${keyName}.`,
                type: 'gauge' as const,
                values: entries.flatMap(({ labels, value: { age } }) =>
                  age === undefined ? [] : [{ labels, value: age / 1_000 }],
                ),
              },
              {
                name: `${prefix}${one}_ttl_seconds`,
                // With the labels of the age, so that an alert can compare them.
                help: `TTL of the value, by ${keyName}; +Inf if it never expires, 0 if it is not cached.`,
                type: 'gauge' as const,
                values: entries.map(({ labels }) => ({ labels, value: policy.ttl / 1_000 })),
              },
            ]
          : [
              {
                name: `${prefix}${one}_cache_entries`,
                help: 'Keys in the cache, including those of values that do not exist.',
                type: 'gauge' as const,
                values: [{ value: entries.length }],
              },
            ]),
      ]
    },
  }
}
