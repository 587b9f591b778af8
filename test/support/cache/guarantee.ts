/** What a cache promises, as expectations on every reply and read of a cache with a model source. */
import { inspect } from 'node:util'
import { expect } from 'vitest'
import { codeOf } from '../../../src/bus/errors.ts'
import type { CacheDirectives } from '../../../src/freshness.ts'
import type { Secret } from '../../../src/secret.ts'
import type { SecretCacheOptions } from '../../../src/sources/cache/secret-cache.ts'
import type { ManualClock } from '../manual-clock.ts'
import type { Read, Version } from './model-source.ts'

export type Policy = Required<Omit<SecretCacheOptions, 'codeNames'>>

/** A request, with its time on the monotonic clock. */
export interface Request {
  readonly codeName: string
  readonly directives: CacheDirectives
  readonly at: number
  /** Whether the background keeps the secret fresh at that time. */
  readonly isMaintained: boolean
}

/** What is known of one secret. */
interface Known {
  /** The reads so far, in the order in which they were sent. */
  readonly reads: Read[]
  /** The latest-sent read with an outcome. */
  latest: Read | undefined
  /** The read whose value may be served. */
  good: Read | undefined
  /** Failures in a row. */
  failures: number
  /** The earliest time of the next read after a failure. */
  pausedUntil: number
  /** Since when all reads have succeeded promptly, and the process has not been restarted. */
  healthySince: number
  /** Whether the background has read the secret in that time. */
  isMaintained: boolean
  /** Reads of the background in that time. */
  backgroundReads: number
}

export class Guarantee {
  /** The requests so far, by id. */
  readonly requests = new Map<string, Request>()
  /** Secrets that the reload in progress has not read yet. */
  readonly toReload = new Set<string>()
  readonly #policy: Policy
  readonly #clock: ManualClock
  readonly #versions: ReadonlyMap<string, Version>
  readonly #isStarted: () => boolean
  readonly #known: ReadonlyMap<string, Known>
  /** A failed expectation within a callback, which the cache would take for an error of the source. */
  #problem: { readonly error: unknown } | undefined

  /** @param versions the values of the source, which increase */
  constructor(
    policy: Policy,
    codeNames: readonly string[],
    clock: ManualClock,
    versions: ReadonlyMap<string, Version>,
    isStarted: () => boolean,
  ) {
    this.#policy = policy
    this.#clock = clock
    this.#versions = versions
    this.#isStarted = isStarted
    const unknown = () => ({
      ...{ reads: [], latest: undefined, good: undefined, failures: 0, pausedUntil: 0 },
      ...{ healthySince: 0, isMaintained: false, backgroundReads: 0 },
    })
    this.#known = new Map(codeNames.map((name) => [name, unknown()]))
  }

  get #now(): number {
    return this.#clock.monotonic()
  }

  /** Longest duration of a read. */
  get fetchTimeout(): number {
    const { cacheTtl, fetchTimeout, minRefreshInterval } = this.#policy
    return cacheTtl === 0 ? fetchTimeout : Math.min(fetchTimeout, Math.max(cacheTtl, minRefreshInterval))
  }

  /** Whether the background refreshes secrets. */
  get isRefreshing(): boolean {
    const { cacheTtl, minRefreshInterval } = this.#policy
    return cacheTtl >= minRefreshInterval && cacheTtl !== Infinity
  }

  /** What is known of the secret. */
  of(name: string): Known {
    const known = this.#known.get(name)
    if (!known) throw new Error(`unknown secret ${name}`)
    return known
  }

  /** @throws the first problem */
  throwProblem(): void {
    if (this.#problem) throw this.#problem.error
  }

  /** Keeps the first problem, with the object that it is about. */
  check(subject: unknown, check: () => void): void {
    try {
      check()
    } catch (cause) {
      this.#problem ??= { error: new Error(`at ${this.#now}: ${inspect(subject, { depth: 4 })}`, { cause }) }
    }
  }

  /** The age up to which the request accepts a value. */
  #accepted({ maxAge, maxStale }: CacheDirectives): number {
    const { cacheTtl, minRefreshInterval } = this.#policy
    return Math.max(maxAge ?? cacheTtl, minRefreshInterval) + (maxStale ?? (maxAge === undefined ? Infinity : 0))
  }

  /** The age up to which a value may be served: beyond the TTL only if the last known read failed. */
  #allowed({ latest }: Known): number {
    const { cacheTtl, maxStale } = this.#policy
    return cacheTtl + (latest && latest.outcome !== 'value' ? maxStale : 0)
  }

  /** Expects what the guarantee says of a reply. */
  expectReply(request: Request, { codeName: name, value, freshness }: Secret): void {
    const { result, age } = freshness
    const { cacheTtl, minRefreshInterval } = this.#policy
    const known = this.of(name)
    const version = this.#versions.get(value.reveal())
    const read = known.reads.findLast(
      (read) => read.outcome === 'value' && read.version === version && read.sentAt === this.#now - age,
    )
    const isCached = result === 'hit' || result === 'stale'
    expect(name).toBe(request.codeName)
    expect(read, 'the age is that of a read').toBeDefined()

    // The guarantee: the value was current at a moment within this time before the reply.
    const sinceCurrent = Math.max(0, this.#now - (version?.until ?? 0))
    const longest = cacheTtl === 0 ? this.fetchTimeout : Math.max(this.#allowed(known), minRefreshInterval)
    expect(sinceCurrent, 'within the TTL').toBeLessThanOrEqual(longest)
    if (isCached) expect(age, 'within the TTL').toBeLessThan(this.#allowed(known))
    else expect(age, 'within the timeout').toBeLessThanOrEqual(this.fetchTimeout)
    if (result === 'hit') expect(age, 'a hit is fresh').toBeLessThan(cacheTtl)

    // No cached value is older than a later one, or than a refusal.
    if (isCached) expect(read?.sentAt, 'the latest value').toBe(known.good?.sentAt)

    // The directives.
    const accepted = this.#accepted(request.directives)
    expect(request.at - (read?.sentAt ?? 0), 'accepted').toBeLessThan(Math.max(accepted, 1))
    if (request.directives.maxAge === 0)
      expect(request.at - (version?.until ?? 0), 'no-cache').toBeLessThan(
        minRefreshInterval + (request.directives.maxStale ?? 0),
      )
    if (request.directives.onlyIfCached) expect({ isCached, at: request.at }).toEqual({ isCached: true, at: this.#now })

    // No request waits while the background refreshes the secret.
    if (request.isMaintained && this.#accepted(request.directives) >= cacheTtl)
      expect(result, 'without a wait').toBe('hit')
  }

  /** Expects that no value could be served. */
  expectError({ codeName: name, directives, at }: Request, error: unknown): void {
    const known = this.of(name)
    const { good } = known
    const age = good && this.#policy.cacheTtl > 0 ? this.#now - good.sentAt : Infinity
    // After the pause, only a read can tell whether reading still fails. This request may not cause one.
    const isUnknown = directives.onlyIfCached && !this.isRefreshing && this.#now >= known.pausedUntil
    const allowed = isUnknown ? this.#policy.cacheTtl : this.#allowed(known)
    const servable = Math.min(allowed, this.#accepted(directives))
    expect(age, 'a value could be served').toBeGreaterThanOrEqual(servable)
    expect(codeOf(error)).toMatch(/^(SOURCE_(UNAVAILABLE|REFUSED|TIMEOUT)|SECRET_NOT_FOUND|NOT_CACHED)$/)
    expect(codeOf(error) === 'NOT_CACHED').toBe(directives.onlyIfCached === true)
    if (directives.onlyIfCached) expect(this.#now).toBe(at)
  }

  /** Expects that the read is due. */
  expectRead(read: Read): void {
    const known = this.of(read.codeName)
    const previous = known.reads.at(-1)
    known.reads.push(read)
    const request = this.requests.get(read.id ?? '')
    this.check({ read, previous, request, latest: known.latest, pausedUntil: known.pausedUntil }, () => {
      expect(read.deadline - read.sentAt).toBeLessThanOrEqual(this.fetchTimeout)
      if (read.id === undefined && this.toReload.delete(read.codeName)) return
      expect(request?.directives.onlyIfCached && known.good === undefined).not.toBe(true)
      if (request) this.#expectRequestedRead(read, previous, known)
      else this.#expectBackgroundRead(read, previous, known)
    })
    if (read.latency > this.#policy.cacheTtl / 20) this.disturb(known, read.sentAt)
  }

  #expectRequestedRead({ sentAt }: Read, previous: Read | undefined, { latest, pausedUntil }: Known): void {
    const interval = Math.min(this.#policy.minRefreshInterval, this.#policy.cacheTtl)
    if (previous && !previous.outcome)
      expect(sentAt - previous.sentAt, 'joins').toBeGreaterThanOrEqual(this.#policy.minRefreshInterval)
    if (!latest) return
    if (latest.outcome === 'value' || (latest.outcome === 'absent' && sentAt < pausedUntil))
      expect(sentAt - latest.sentAt, 'interval').toBeGreaterThanOrEqual(interval)
    else expect(sentAt, 'pause').toBeGreaterThanOrEqual(pausedUntil)
  }

  #expectBackgroundRead({ sentAt }: Read, previous: Read | undefined, known: Known): void {
    const { latest, good, pausedUntil, healthySince } = known
    expect(this.#isStarted(), 'started').toBe(true)
    expect(previous?.outcome !== undefined || !previous, 'joins').toBe(true)
    if (!this.isRefreshing) expect(latest?.outcome, 'only until the first value').not.toBe('value')
    if (good) expect(sentAt - good.sentAt, '70%').toBeGreaterThanOrEqual(0.7 * this.#policy.cacheTtl)
    if (latest && latest.outcome !== 'value') expect(sentAt, 'pause').toBeGreaterThanOrEqual(pausedUntil)
    known.backgroundReads += 1
    const bound = 1.5 * ((sentAt - healthySince) / this.#policy.cacheTtl) + 2
    if (this.isRefreshing && latest?.outcome === 'value') expect(known.backgroundReads).toBeLessThanOrEqual(bound)
  }

  /** Remembers the outcome of a read. */
  onOutcome(read: Read, at: number): void {
    const known = this.of(read.codeName)
    const { outcome, sentAt } = read
    if (outcome !== 'value') this.disturb(known, at)
    if (known.latest && sentAt < known.latest.sentAt) return
    known.latest = read
    if (outcome === 'value') {
      known.good = read
      known.failures = 0
      if (read.id === undefined && sentAt >= known.healthySince && this.isRefreshing) known.isMaintained = true
      return
    }
    if (outcome !== 'failed') known.good = undefined
    known.failures = outcome === 'absent' ? 0 : known.failures + 1
    const pause = Math.min(30_000, 100 * 2 ** (known.failures - 1)) / 2
    known.pausedUntil = at + (outcome === 'absent' ? this.#policy.negativeTtl : pause)
  }

  /** Begins a new time of health. */
  disturb(known: Known, at: number): void {
    known.healthySince = at
    known.isMaintained = false
    known.backgroundReads = 0
  }
}
