/** What a request may demand of a cached value, and what a reply says about its freshness. */

/** The freshness that a request demands, after the request directives of RFC 9111 §5.2.1. */
export interface CacheDirectives {
  /**
   * Maximum age of the value in milliseconds; 0 forces a read. A value that was read less than the minimum refresh
   * interval of the cache ago is always accepted. Without `maxAge`, any value is accepted that the cache may serve.
   */
  readonly maxAge?: number | undefined
  /**
   * How much older than `maxAge`, or else than the TTL, a value may be, in milliseconds. By default 0 with `maxAge`,
   * and as much as the cache may serve without. It never extends what the cache may serve.
   */
  readonly maxStale?: number | undefined
  /** Fails with `NotCached` instead of waiting for a read. */
  readonly onlyIfCached?: boolean | undefined
}

export interface Freshness {
  /**
   * `hit` and `stale` (past the TTL while refreshing fails) come from the cache, `miss` was read for this request, and
   * `coalesced` shared the read of another request.
   */
  readonly result: 'hit' | 'stale' | 'miss' | 'coalesced'
  /**
   * Why the request caused or joined a read: a directive refused the cached value, the value was stale, or there was
   * none. Undefined for a value from the cache.
   */
  readonly forward?: 'request' | 'stale' | 'uri-miss' | undefined
  /** Time since the read of the value was sent to the source, in milliseconds, at the time of reading the property. */
  readonly age: number
  /** Remaining TTL in milliseconds, at the time of reading the property; negative if stale, `Infinity` if forever. */
  readonly ttl: number
}

/** The request accepts only a value from the cache, which has none that it accepts. */
export class NotCached extends Error {
  override readonly name = 'NotCached'
  readonly code = 'NOT_CACHED'

  constructor() {
    super('The cache has no value that the request accepts')
  }
}
