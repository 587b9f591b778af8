/** How long a cache serves its values, and how often it reads them. */
import type { CacheDirectives } from '../../freshness.ts'

/** All times are in milliseconds. */
export interface CachePolicy {
  /** TTL of a value, counted from when its read was sent; `Infinity` is forever, 0 disables caching. */
  readonly ttl: number
  /** Time to serve a value after its TTL while refreshing fails; 0 by default. */
  readonly maxStale?: number
  /** TTL of a negative result; 2 s by default. */
  readonly negativeTtl?: number
  /** Total timeout of one read, including the wait for its turn; 5 s by default. */
  readonly fetchTimeout?: number
  /**
   * Minimum time between two reads of a value that requests force; 1 s by default. A shorter TTL is not refreshed in
   * the background.
   */
  readonly minRefreshInterval?: number
  /** Number of values that a cache without a fixed set of queries keeps; 1,000 by default. */
  readonly maxEntries?: number
}

export interface ResolvedPolicy extends Required<CachePolicy> {
  /** Whether values are refreshed in the background, before the end of their TTL. */
  readonly refreshesAhead: boolean
  /** Time in milliseconds after which a value would be too old on arrival. */
  readonly maxReadTime: number
}

/**
 * Adds the defaults. A read may take as long as the TTL.
 * @param isClosed whether the set of keys is fixed, which a refresh in the background requires
 * @throws RangeError if a value is negative or not a number, or a limit is 0
 */
export function resolvePolicy(policy: CachePolicy, isClosed: boolean): ResolvedPolicy {
  const {
    ttl,
    maxStale = 0,
    negativeTtl = 2_000,
    fetchTimeout = 5_000,
    minRefreshInterval = 1_000,
    maxEntries = 1_000,
  } = policy
  const times = { ttl, maxStale, negativeTtl }
  for (const [name, ms] of Object.entries(times))
    if (!(ms >= 0)) throw new RangeError(`${name} must be a number of milliseconds of at least 0, received ${ms}`)
  const limits = { fetchTimeout, minRefreshInterval, maxEntries }
  for (const [name, limit] of Object.entries(limits))
    if (!(limit > 0)) throw new RangeError(`${name} must be more than 0, received ${limit}`)
  const maxReadTime = ttl === 0 ? Infinity : Math.max(ttl, minRefreshInterval)
  const refreshesAhead = isClosed && ttl >= minRefreshInterval && ttl !== Infinity
  return { ...times, ...limits, fetchTimeout: Math.min(fetchTimeout, maxReadTime), refreshesAhead, maxReadTime }
}

/** The age in milliseconds up to which a request accepts a value. */
export function acceptedAge(
  { maxAge, maxStale }: CacheDirectives,
  { ttl, minRefreshInterval }: ResolvedPolicy,
): number {
  const staleness = maxStale ?? (maxAge === undefined ? Infinity : 0)
  return Math.max(maxAge ?? ttl, minRefreshInterval) + staleness
}

/**
 * Returns the age at which a value is refreshed: between 70% and 90% of the TTL, so that instances that started together
 * do not refresh together, and a fetch timeout before the end of the TTL where that is not below 70%, so that no request
 * waits for a source that does not respond.
 * @param random a number in [0, 1)
 */
export function refreshAge({ ttl, fetchTimeout }: ResolvedPolicy, random: number): number {
  const latest = ttl - fetchTimeout
  const end = latest >= 0.7 * ttl ? Math.min(latest, 0.9 * ttl) : 0.9 * ttl
  return 0.7 * ttl + (end - 0.7 * ttl) * random
}
