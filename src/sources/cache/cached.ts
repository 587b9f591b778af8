/** A cache between two request channels: it answers one, and asks the other for the values. */
import type { RequestChannel } from '../../bus/channel.ts'
import { codeOf, messageOf } from '../../bus/errors.ts'
import { lifecycle } from '../../bus/process/lifecycle.ts'
import { limiter } from '../../bus/process/limiter.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { collectMetrics } from '../../channels.ts'
import { diagnostics } from '../../diagnostics.ts'
import type { CacheDirectives, Freshness } from '../../freshness.ts'
import { SourceFailure } from '../../secret.ts'
import { type Clock, systemClock } from '../clock.ts'
import { cacheMetrics } from './cache-metrics.ts'
import { CachedValue, type Read } from './cached-value.ts'
import { maintainClosedSet } from './closed-set.ts'
import { OutageLog } from './outage-log.ts'
import { type CachePolicy, type ResolvedPolicy, resolvePolicy } from './policy.ts'
import { RecentEntries } from './recent-entries.ts'

export interface CacheDefinition<Query, Value, Reply> {
  /** Asked for a value that is not cached. */
  readonly ask: RequestChannel<Query, Value>
  /** Answered from the cache. */
  readonly answer: RequestChannel<Query & CacheDirectives, Reply>
  /** Identifies what a query asks for. */
  readonly key: (query: Query) => string
  /** Builds the reply. It is called once for all hits of a value, so do not change what it returns. */
  readonly reply: (value: Value, freshness: Freshness) => Reply
  readonly policy: CachePolicy
  /**
   * All queries that the cache answers. It reads their values at the start, refreshes them in the background, reads them
   * again on a reload, and reports health and metrics by key. Without it, the cache answers any query, keeps the values
   * requested last, and reports metrics of all keys together.
   */
  readonly queries?: readonly Query[]
  /** Creates the error for a query that is not one of `queries`; `SOURCE_REFUSED` by default. */
  readonly unknown?: (query: Query) => Error
  /** Whether the error means that the value does not exist. It is cached for the negative TTL. By default none does. */
  readonly absent?: (error: unknown) => boolean
  /** Whether the error means that the value must not be served any longer. By default none does. */
  readonly revoked?: (error: unknown) => boolean
  readonly words: CacheWords
}

/** How health, log and metrics name the cache and its values. */
export interface CacheWords {
  /** A value, in the log and in the names of the metrics: `secret`. */
  readonly one: string
  /** Values, in health; `one` with an s by default. */
  readonly many?: string
  /** The cache, in health; `secret-cache` by default, if `one` is `secret`. */
  readonly cache?: string
  /** The key, as the label of the metrics: `code_name`. The field in the log is its camel case. */
  readonly label: string
}

/** Maximum number of reads in progress, per cache. */
const maxReads = 64

/**
 * Creates a subscriber that provides `answer` from a cache, which it fills through `ask`. Requests share reads, and a
 * failing source is read with a backoff.
 * @throws RangeError if a time or a bound of the policy is invalid
 */
export function cached<Query extends object, Value, Reply>(
  definition: CacheDefinition<Query, Value, Reply>,
  clock: Clock = systemClock,
): Subscriber {
  const { ask, answer, key: keyOf, reply, queries, words } = definition
  const { unknown = () => new SourceFailure('SOURCE_REFUSED', `Unknown ${words.one}`) } = definition
  const { absent: isAbsent = () => false, revoked: isRevoked = () => false } = definition
  const policy = resolvePolicy(definition.policy, queries !== undefined)

  return (bus) => {
    const request = bus.requester(ask)
    const limit = limiter(maxReads)
    const metrics = cacheMetrics(bus.service.metricPrefix, words, { byKey: queries !== undefined, isAbsent, policy })
    let isStopped = () => false

    /** @param outages of this value, or of all */
    const create = (key: string, query: Query, outages: OutageLog) => {
      const count = metrics.counter(key)
      const label = { cache: words.one, key }
      // Not bound to the signal and deadline of the request that causes it, because other requests share the read.
      const fetch = async ({ read, sentAt, timeout }: Read) => {
        const id = read.call?.id
        const isRefresh = read.trigger === 'refresh'
        diagnostics.cacheRead.start(read)
        try {
          if (timeout <= 0) throw new SourceFailure('SOURCE_TIMEOUT', `${maxReads} reads are in progress`)
          const value = await request(query, { id, timeout, trace: read.trace })
          throwIfTooLate(clock.monotonic() - sentAt, policy)
          diagnostics.cacheRead.end(read)
          count.success(isRefresh)
          outages.onSuccess(key, id)
          return value
        } catch (cause) {
          const error = asSourceFailure(cause)
          count.failure(error, isRefresh)
          outages.onFailure(key, id, error, !isStopped() && (queries !== undefined || !isAbsent(error)))
          diagnostics.cacheRead.end(read, error)
          throw error
        }
      }
      return new CachedValue({ label, fetch, limit, reply, isAbsent, isRevoked }, policy, clock, metrics.results)
    }

    if (queries) {
      const values = new Map(
        queries.map((query) => [keyOf(query), create(keyOf(query), query, new OutageLog(bus, words))]),
      )
      bus.provide(answer, (query, call) => {
        const value = values.get(keyOf(query))
        if (!value) throw unknown(query)
        return value.get(query, call)
      })
      isStopped = maintainClosedSet(bus, values, words, clock).isStopped
      bus.subscribe(collectMetrics, () => metrics.collect(values))
    } else {
      const values = new RecentEntries<CachedValue<Value, Reply>>(policy.maxEntries)
      const outages = new OutageLog(bus, words)
      bus.provide(answer, ({ maxAge, maxStale, onlyIfCached, ...rest }, call) => {
        const query = rest as unknown as Query // what is left without the directives
        const key = keyOf(query)
        const value = values.get(key, (keep) => {
          const created = create(key, query, outages)
          created.onValue = keep
          return created
        })
        return value.get({ maxAge, maxStale, onlyIfCached }, call)
      })
      bus.subscribe(lifecycle.graceful, () => {
        const entries = [...values]
        for (const [, value] of entries) value.expire()
        return { expired: entries.length }
      })
      bus.subscribe(collectMetrics, () => metrics.collect(values))
    }
  }
}

/**
 * Timeouts are late if the event loop is blocked. A value that has expired on arrival must not be served.
 * @param duration the time since the read was sent, in milliseconds
 */
function throwIfTooLate(duration: number, { maxReadTime }: ResolvedPolicy): void {
  if (duration > maxReadTime)
    throw new SourceFailure('SOURCE_TIMEOUT', `The read took longer than ${maxReadTime} ms, so its value has expired`)
}

/** Reports the timeout of the bus like a timeout of the source. */
function asSourceFailure(error: unknown): unknown {
  if (codeOf(error) !== 'BUS_REQUEST_TIMEOUT') return error
  return new SourceFailure('SOURCE_TIMEOUT', messageOf(error), { cause: error })
}
