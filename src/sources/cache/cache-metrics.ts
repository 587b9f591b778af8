/** Metrics of a cache: requests, reads from the source, and the age of the values. */
import { codeOf } from '../../bus/errors.ts'
import type { Metric } from '../../channels.ts'
import { counter } from '../../metrics/counter.ts'
import type { CacheWords } from './cached.ts'
import { type CachedValue, noResults } from './cached-value.ts'

/** Outcomes by error code. Any other error is an `error`. */
const failures: ReadonlyMap<unknown, string> = new Map([
  ['SOURCE_STARTING', 'starting'],
  ['SOURCE_THROTTLED', 'throttled'],
  ['SOURCE_TIMEOUT', 'timeout'],
  ['SOURCE_UNAVAILABLE', 'unavailable'],
  ['SOURCE_REFUSED', 'refused'],
])

export interface CacheMetrics {
  /** Returns the functions that count the outcome of a read. */
  readonly counter: (key: string) => { readonly success: () => void; readonly failure: (error: unknown) => void }
  /** Returns the object that counts the requests of all keys, if the metrics have no label by key. */
  readonly results: ReturnType<typeof noResults> | undefined
  readonly collect: (
    values: Iterable<readonly [key: string, value: Pick<CachedValue<unknown, unknown>, 'results' | 'age'>]>,
  ) => Metric[]
}

/** @param byKey whether the metrics have a label by key: only for a fixed set of keys, as clients could name any other */
export function cacheMetrics(
  prefix: string,
  { one, label }: CacheWords,
  { byKey, isAbsent }: { readonly byKey: boolean; readonly isAbsent: (error: unknown) => boolean },
): CacheMetrics {
  const by = byKey ? `${label.replaceAll('_', ' ')} and ` : ''
  const labelsOf = (key: string) => (byKey ? { [label]: key } : {})
  const fetches = counter({
    name: `${prefix}${one}_fetches_total`,
    help: `Fetches from the source by ${by}outcome: ok, not_found or the kind of failure.`,
    labels: byKey ? [label, 'outcome'] : ['outcome'],
  })
  const results = byKey ? undefined : noResults()

  const outcomeOf = (error: unknown) => (isAbsent(error) ? 'not_found' : (failures.get(codeOf(error)) ?? 'error'))

  return {
    results,
    counter(key) {
      const series = (outcome: string) => fetches.labels({ ...labelsOf(key), outcome })
      // Starts all series at 0, because Prometheus does not see the first increase of a new time series.
      for (const outcome of ['ok', 'not_found', ...failures.values(), 'error']) series(outcome)
      return { success: () => series('ok').add(), failure: (error) => series(outcomeOf(error)).add() }
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
        byKey
          ? {
              name: `${prefix}${one}_age_seconds`,
              help: `Time since the served value was read from the source, by ${label.replaceAll('_', ' ')}.`,
              type: 'gauge',
              values: entries.flatMap(({ labels, value: { age } }) =>
                age === undefined ? [] : [{ labels, value: age / 1_000 }],
              ),
            }
          : {
              name: `${prefix}${one}_cache_entries`,
              help: 'Keys in the cache, including those of values that do not exist.',
              type: 'gauge',
              values: [{ value: entries.length }],
            },
      ]
    },
  }
}
