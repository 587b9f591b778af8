/**
 * Random sequences of requests, rotations, outages, clock steps, reloads and restarts, checked against the guarantee: while
 * the source answers, no reply carries a value older than the TTL, and during an outage none older than TTL + max-stale.
 */
import { inspect } from 'node:util'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { codeOf } from '../../../src/bus/errors.ts'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { fetchSecret, getSecret } from '../../../src/channels.ts'
import type { CacheDirectives } from '../../../src/freshness.ts'
import type { Secret } from '../../../src/secret.ts'
import { type SecretCacheOptions, secretCache } from '../../../src/sources/cache/secret-cache.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { weighted } from '../../fuzz/weighted.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'
import { type Behaviour, ModelSource, type Read } from '../../support/model-source.ts'

const codeNames = ['rose', 'martha']

type Policy = Required<Omit<SecretCacheOptions, 'codeNames'>>

/** All times are even, and pauses of the cache end at odd times, so that their order is never a matter of chance. */
const policies: fc.Arbitrary<Policy> = fc.record({
  cacheTtl: fc.constantFrom(0, 400, 2_000, 10_000, Infinity),
  maxStale: fc.constantFrom(0, 1_000, 60_000),
  negativeTtl: fc.constantFrom(0, 2_000),
  fetchTimeout: fc.constantFrom(500, 5_000),
  minRefreshInterval: fc.constantFrom(200, 1_000),
})

type Action =
  | { readonly do: 'request'; readonly codeName: string; readonly directives: CacheDirectives }
  | { readonly do: 'rotate' | 'remove'; readonly codeName: string }
  | { readonly do: 'wait' | 'setWallClock'; readonly ms: number }
  | { readonly do: 'behave'; readonly behaviour: Behaviour }
  | { readonly do: 'reload' | 'restart' }

const codeName = fc.constantFrom(...codeNames)
const even = (max: number) => fc.nat(max / 2).map((half) => half * 2)
const directives: fc.Arbitrary<CacheDirectives> = weighted<CacheDirectives>(
  [4, fc.constant({})],
  [3, fc.constant({ maxAge: 0 })],
  [1, fc.record({ maxAge: even(4_000), maxStale: even(4_000) }, { requiredKeys: ['maxAge'] })],
  [1, fc.record({ maxStale: fc.oneof(even(4_000), fc.constant(Infinity)) })],
  [1, fc.record({ maxAge: fc.constantFrom(undefined, 0, 1_000), onlyIfCached: fc.constant(true) })],
)
const behaviours: fc.Arbitrary<Behaviour> = fc.record({
  kind: weighted<Behaviour['kind']>(
    [6, fc.constant('answers')],
    [2, fc.constant('fails')],
    [1, fc.constantFrom('refuses', 'hangs')],
  ),
  latency: fc.oneof(fc.constantFrom(0, 20), even(400), even(6_000)),
  lookup: fc.constantFrom(0, 0.5, 1),
})
const actions = fc.array(
  fc.record({
    /** The random number of the cache from then on. */
    random: fc.constantFrom(0, 0.3, 0.6, 1 - Number.EPSILON),
    action: weighted<Action>(
      [8, fc.record({ do: fc.constant('request'), codeName, directives })],
      [3, fc.record({ do: fc.constant('rotate'), codeName })],
      [1, fc.record({ do: fc.constant('remove'), codeName })],
      [7, fc.record({ do: fc.constant('wait'), ms: fc.oneof(even(200), even(2_500), even(20_000)) })],
      [1, fc.record({ do: fc.constant('setWallClock'), ms: fc.constantFrom(-3_600_000, 3_600_000) })],
      [4, fc.record({ do: fc.constant('behave'), behaviour: behaviours })],
      [1, fc.record({ do: fc.constantFrom('reload', 'restart') })],
    ),
  }),
  { minLength: 5, maxLength: 60 },
)

const reveal = ({ value, freshness }: Secret) => ({ value: value.reveal(), ...freshness })

interface Request {
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

/** The service under test, and the expectations on its replies and reads. */
class Driver {
  readonly clock = new ManualClock()
  readonly source = new ModelSource(
    this.clock,
    (read) => this.#expectRead(read),
    (read, at) => this.#onOutcome(read, at),
  )
  readonly #policy: Policy
  readonly #bus
  readonly #known: ReadonlyMap<string, Known>
  readonly #requests = new Map<string, Request>()
  readonly #pending = new Set<Request>()
  /** Secrets that the reload in progress has not read yet. */
  readonly #toReload = new Set<string>()
  /** A failed expectation within the callbacks, which the cache would take for an error of the source. */
  #problem: { readonly error: unknown } | undefined
  #reload: Promise<unknown> | undefined

  constructor(policy: Policy) {
    this.#policy = policy
    const { now, monotonic, random, sleep } = this.clock
    const untilOdd = (until: number) => Math.ceil((until - 1) / 2) * 2 + 1
    const clock = {
      ...{ now, monotonic, random },
      sleep: (ms: number, signal: AbortSignal) => sleep(untilOdd(monotonic() + ms) - monotonic(), signal),
    }
    const source: Subscriber = (bus) => bus.provide(fetchSecret, this.source.provide)
    this.#bus = recordedBus({ source, 'secret-cache': secretCache({ ...policy, codeNames }, clock) }).bus
    const unknown = () => ({
      ...{ reads: [], latest: undefined, good: undefined, failures: 0, pausedUntil: 0 },
      ...{ healthySince: 0, isMaintained: false, backgroundReads: 0 },
    })
    this.#known = new Map(codeNames.map((name) => [name, unknown()]))
    for (const name of codeNames) this.source.rotate(name)
  }

  get #now(): number {
    return this.clock.monotonic()
  }

  get #isStarted(): boolean {
    return this.#bus.state === 'STARTED'
  }

  /** Longest duration of a read. */
  get #fetchTimeout(): number {
    const { cacheTtl, fetchTimeout, minRefreshInterval } = this.#policy
    return cacheTtl === 0 ? fetchTimeout : Math.min(fetchTimeout, Math.max(cacheTtl, minRefreshInterval))
  }

  get #isRefreshing(): boolean {
    const { cacheTtl, minRefreshInterval } = this.#policy
    return cacheTtl >= minRefreshInterval && cacheTtl !== Infinity
  }

  #of(name: string): Known {
    const known = this.#known.get(name)
    if (!known) throw new Error(`unknown secret ${name}`)
    return known
  }

  async run(action: Action): Promise<void> {
    if (action.do === 'request') this.#request(action.codeName, action.directives)
    else if (action.do === 'rotate') this.source.rotate(action.codeName)
    else if (action.do === 'remove') this.source.remove(action.codeName)
    else if (action.do === 'behave') this.source.behaviour = action.behaviour
    else if (action.do === 'wait') await this.advance(action.ms)
    else if (action.do === 'setWallClock') {
      this.clock.setWallClock(action.ms)
      vi.setSystemTime(this.clock.now())
    } else if (action.do === 'reload') await this.#startReload()
    else await this.#restart()
    await settled()
    await this.source.runDue()
    this.#throwProblem()
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await this.source.runDue()
    while (this.#now < end) {
      const wakes = this.clock.sleeping.map((remaining) => this.#now + remaining)
      const next = Math.min(end, this.source.next, ...wakes)
      const step = next - this.#now
      this.source.expire(next)
      vi.advanceTimersByTime(step)
      await this.clock.advance(step)
      await this.source.runDue()
      for (const { at } of this.#pending) expect(this.#now - at, 'wait of a request').toBeLessThan(this.#fetchTimeout)
      this.#throwProblem()
    }
  }

  async start(): Promise<void> {
    await this.#bus.start()
    await settled()
  }

  /** Ends all outages, and expects the present values without a wait. */
  async recover(): Promise<void> {
    this.source.behaviour = { kind: 'answers', latency: 0, lookup: 0 }
    for (const name of codeNames) if (!this.source.current(name)) this.source.rotate(name)
    // The longest backoff, the longest read, and the TTL.
    await this.advance(30_000 + 5_000 + 10_000)
    for (const name of codeNames) {
      const { latest, isMaintained } = this.#of(name)
      if (this.#isRefreshing)
        expect({ outcome: latest?.outcome, isMaintained }).toEqual({ outcome: 'value', isMaintained: true })
      await this.run({ do: 'request', codeName: name, directives: {} })
    }
    await this.advance(this.#fetchTimeout)
  }

  async exit(): Promise<void> {
    await this.#bus.exit()
  }

  #throwProblem(): void {
    if (this.#problem) throw this.#problem.error
  }

  /** Keeps the first problem, with the object that it is about. */
  #check(subject: unknown, check: () => void): void {
    try {
      check()
    } catch (cause) {
      this.#problem ??= { error: new Error(`at ${this.#now}: ${inspect(subject, { depth: 4 })}`, { cause }) }
    }
  }

  async #startReload(): Promise<void> {
    await this.#finishReload()
    for (const name of codeNames) this.#toReload.add(name)
    const startedAt = this.#now
    const reload = this.#bus.graceful()
    this.#reload = reload.then(
      () =>
        this.#check('reload', () => {
          for (const name of codeNames) expect(this.#of(name).latest?.sentAt).toBeGreaterThanOrEqual(startedAt)
        }),
      () => {},
    )
    await settled()
    expect(this.#toReload).toEqual(new Set())
  }

  async #finishReload(): Promise<void> {
    if (this.#reload) await this.advance(this.#fetchTimeout)
    await this.#reload
  }

  async #restart(): Promise<void> {
    await this.#finishReload()
    await this.#bus.stop()
    await this.advance(4_000)
    for (const known of this.#known.values()) this.#disturb(known, this.#now)
    await this.start()
  }

  #request(name: string, directives: CacheDirectives): void {
    const isMaintained = this.#isStarted && this.#of(name).isMaintained
    const request = { codeName: name, directives, at: this.#now, isMaintained }
    const id = `request ${this.#requests.size + 1}`
    this.#requests.set(id, request)
    this.#pending.add(request)
    const query = async () => this.#bus.request(getSecret, { codeName: name, ...directives }, { id })
    void query()
      .then(
        (secret) => this.#check({ request, secret: reveal(secret) }, () => this.#expectReply(request, secret)),
        (error) => this.#check({ request, error }, () => this.#expectError(request, error)),
      )
      .finally(() => this.#pending.delete(request))
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

  #expectReply(request: Request, { codeName: name, value, freshness }: Secret): void {
    const { result, age } = freshness
    const { cacheTtl, minRefreshInterval } = this.#policy
    const known = this.#of(name)
    const version = this.source.versions.get(value.reveal())
    const read = known.reads.findLast(
      (read) => read.outcome === 'value' && read.version === version && read.sentAt === this.#now - age,
    )
    const isCached = result === 'hit' || result === 'stale'
    expect(name).toBe(request.codeName)
    expect(read, 'the age is that of a read').toBeDefined()

    // The guarantee: the value was current at a moment within this time before the reply.
    const sinceCurrent = Math.max(0, this.#now - (version?.until ?? 0))
    const longest = cacheTtl === 0 ? this.#fetchTimeout : Math.max(this.#allowed(known), minRefreshInterval)
    expect(sinceCurrent, 'within the TTL').toBeLessThanOrEqual(longest)
    if (isCached) expect(age, 'within the TTL').toBeLessThan(this.#allowed(known))
    else expect(age, 'within the timeout').toBeLessThanOrEqual(this.#fetchTimeout)
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

  #expectError({ codeName: name, directives, at }: Request, error: unknown): void {
    const known = this.#of(name)
    const { good } = known
    const age = good && this.#policy.cacheTtl > 0 ? this.#now - good.sentAt : Infinity
    const servable = Math.min(this.#allowed(known), this.#accepted(directives))
    expect(age, 'a value could be served').toBeGreaterThanOrEqual(servable)
    expect(codeOf(error)).toMatch(/^(SOURCE_(UNAVAILABLE|REFUSED|TIMEOUT)|SECRET_NOT_FOUND|NOT_CACHED)$/)
    expect(codeOf(error) === 'NOT_CACHED').toBe(directives.onlyIfCached === true)
    if (directives.onlyIfCached) expect(this.#now).toBe(at)
  }

  /** Expects that the read is due. */
  #expectRead(read: Read): void {
    const known = this.#of(read.codeName)
    const previous = known.reads.at(-1)
    known.reads.push(read)
    const request = this.#requests.get(read.id ?? '')
    this.#check({ read, previous, request, latest: known.latest, pausedUntil: known.pausedUntil }, () => {
      expect(read.deadline - read.sentAt).toBeLessThanOrEqual(this.#fetchTimeout)
      if (read.id === undefined && this.#toReload.delete(read.codeName)) return
      expect(request?.directives.onlyIfCached && known.good === undefined).not.toBe(true)
      if (request) this.#expectRequestedRead(read, previous, known)
      else this.#expectBackgroundRead(read, previous, known)
    })
    if (read.latency > this.#policy.cacheTtl / 20) this.#disturb(known, read.sentAt)
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
    expect(this.#isStarted, 'started').toBe(true)
    expect(previous?.outcome !== undefined || !previous, 'joins').toBe(true)
    if (!this.#isRefreshing) expect(latest?.outcome, 'only until the first value').not.toBe('value')
    if (good) expect(sentAt - good.sentAt, '70%').toBeGreaterThanOrEqual(0.7 * this.#policy.cacheTtl)
    if (latest && latest.outcome !== 'value') expect(sentAt, 'pause').toBeGreaterThanOrEqual(pausedUntil)
    known.backgroundReads += 1
    const bound = 1.5 * ((sentAt - healthySince) / this.#policy.cacheTtl) + 2
    if (this.#isRefreshing && latest?.outcome === 'value') expect(known.backgroundReads).toBeLessThanOrEqual(bound)
  }

  #onOutcome(read: Read, at: number): void {
    const known = this.#of(read.codeName)
    const { outcome, sentAt } = read
    if (outcome !== 'value') this.#disturb(known, at)
    if (known.latest && sentAt < known.latest.sentAt) return
    known.latest = read
    if (outcome === 'value') {
      known.good = read
      known.failures = 0
      if (read.id === undefined && sentAt >= known.healthySince && this.#isRefreshing) known.isMaintained = true
      return
    }
    if (outcome !== 'failed') known.good = undefined
    known.failures = outcome === 'absent' ? 0 : known.failures + 1
    const pause = Math.min(30_000, 100 * 2 ** (known.failures - 1)) / 2
    known.pausedUntil = at + (outcome === 'absent' ? this.#policy.negativeTtl : pause)
  }

  #disturb(known: Known, at: number): void {
    known.healthySince = at
    known.isMaintained = false
    known.backgroundReads = 0
  }
}

/** Runs the actions in fake time. */
async function play(policy: Policy, actions: readonly { readonly random: number; readonly action: Action }[]) {
  const driver = new Driver(policy)
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'], now: driver.clock.now() })
  try {
    await driver.start()
    for (const { random, action } of actions) {
      driver.clock.randomValue = random
      await driver.run(action)
    }
    await driver.recover()
    await driver.exit()
  } finally {
    vi.useRealTimers()
  }
}

test('the guarantee holds in any sequence of events', { timeout: 60_000 }, async () => {
  // The time limit also ends the search for a shorter counterexample.
  await fc.assert(fc.asyncProperty(policies, actions, play), { numRuns: 300, interruptAfterTimeLimit: 12_000 })
})
