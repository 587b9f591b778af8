/** The cache in numbers: how readings went, how fetches went, how old the values are. */
import { codeOf } from '../../bus/errors.ts'
import type { Metric } from '../../channels.ts'
import type { CachedSecret, Fetch } from './cached-secret.ts'

/** How many fetches ended in each way: `ok`, `not_found`, or what the source failed with. */
export type FetchCounts = Map<string, number>

/** By the code of the failure; what has another code, or none, is an `error`. */
const failures: ReadonlyMap<unknown, string> = new Map([
  ['SECRET_NOT_FOUND', 'not_found'],
  ['SOURCE_STARTING', 'starting'],
  ['SOURCE_THROTTLED', 'throttled'],
  ['SOURCE_TIMEOUT', 'timeout'],
  ['SOURCE_UNAVAILABLE', 'unavailable'],
  ['SOURCE_REFUSED', 'refused'],
])

/** Counts how the fetches end. */
export function counted(fetch: Fetch, counts: FetchCounts): Fetch {
  // All are there from the start: Prometheus sees no increase in what was not there before.
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

/** @param cache the secrets and their fetches by code name */
export function cacheMetrics(cache: ReadonlyMap<string, { secret: CachedSecret; fetches: FetchCounts }>): Metric[] {
  const entries = Array.from(cache, ([codeName, entry]) => ({ labels: { code_name: codeName }, ...entry }))
  return [
    {
      name: 'secret_bus_secret_reads_total',
      help: 'Readings of the cache by code name, and by result: hit, stale, miss, coalesced, negative or backoff.',
      type: 'counter',
      values: entries.flatMap(({ labels, secret }) => values(labels, 'result', Object.entries(secret.reads))),
    },
    {
      name: 'secret_bus_secret_fetches_total',
      help: 'Fetches from the source by code name, and by outcome: ok, not_found, or what the source failed with.',
      type: 'counter',
      values: entries.flatMap(({ labels, fetches }) => values(labels, 'outcome', fetches)),
    },
    {
      name: 'secret_bus_secret_age_seconds',
      help: 'Time since the value that is served was read from the source, by code name.',
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
