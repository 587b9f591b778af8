/** Drives a cache through a sequence of actions, and checks every reply and read. */
import { expect, vi } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { fetchSecret, getSecret } from '../../../src/channels.ts'
import type { CacheDirectives } from '../../../src/freshness.ts'
import type { Secret } from '../../../src/secret.ts'
import { secretCache } from '../../../src/sources/cache/secret-cache.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { ManualClock, settled } from '../manual-clock.ts'
import { Guarantee, type Policy, type Request } from './guarantee.ts'
import { type Behaviour, ModelSource } from './model-source.ts'

export const codeNames = ['rose', 'martha']

export type Action =
  | { readonly do: 'request'; readonly codeName: string; readonly directives: CacheDirectives }
  | { readonly do: 'rotate' | 'remove'; readonly codeName: string }
  | { readonly do: 'wait' | 'setWallClock'; readonly ms: number }
  | { readonly do: 'behave'; readonly behaviour: Behaviour }
  | { readonly do: 'reload' | 'restart' }

const reveal = ({ value, freshness }: Secret) => ({ value: value.reveal(), ...freshness })

/** A cache with a model source on a manual clock. The first broken expectation is thrown by the action after it. */
export class Driver {
  readonly clock = new ManualClock()
  readonly source = new ModelSource(
    this.clock,
    (read) => this.#guarantee.expectRead(read),
    (read, at) => this.#guarantee.onOutcome(read, at),
  )
  readonly #bus
  readonly #guarantee: Guarantee
  readonly #pending = new Set<Request>()
  #reload: Promise<unknown> | undefined

  constructor(policy: Policy) {
    const { now, monotonic, random, sleep } = this.clock
    const untilOdd = (until: number) => Math.ceil((until - 1) / 2) * 2 + 1
    const clock = {
      ...{ now, monotonic, random },
      sleep: (ms: number, signal: AbortSignal) => sleep(untilOdd(monotonic() + ms) - monotonic(), signal),
    }
    const source: Subscriber = (bus) => bus.provide(fetchSecret, this.source.provide)
    this.#bus = recordedBus({ source, 'secret-cache': secretCache({ ...policy, codeNames }, clock) }).bus
    this.#guarantee = new Guarantee(policy, codeNames, this.clock, this.source.versions, () => this.#isStarted)
    for (const name of codeNames) this.source.rotate(name)
  }

  get #now(): number {
    return this.clock.monotonic()
  }

  get #isStarted(): boolean {
    return this.#bus.state === 'STARTED'
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
    this.#guarantee.throwProblem()
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
      for (const { at } of this.#pending)
        expect(this.#now - at, 'wait of a request').toBeLessThan(this.#guarantee.fetchTimeout)
      this.#guarantee.throwProblem()
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
      const { latest, isMaintained } = this.#guarantee.of(name)
      if (this.#guarantee.isRefreshing)
        expect({ outcome: latest?.outcome, isMaintained }).toEqual({ outcome: 'value', isMaintained: true })
      await this.run({ do: 'request', codeName: name, directives: {} })
    }
    await this.advance(this.#guarantee.fetchTimeout)
  }

  async exit(): Promise<void> {
    await this.#bus.exit()
  }

  async #startReload(): Promise<void> {
    await this.#finishReload()
    for (const name of codeNames) this.#guarantee.toReload.add(name)
    const startedAt = this.#now
    const reload = this.#bus.graceful()
    this.#reload = reload.then(
      () =>
        this.#guarantee.check('reload', () => {
          for (const name of codeNames)
            expect(this.#guarantee.of(name).latest?.sentAt).toBeGreaterThanOrEqual(startedAt)
        }),
      () => {},
    )
    await settled()
    expect(this.#guarantee.toReload).toEqual(new Set())
  }

  async #finishReload(): Promise<void> {
    if (this.#reload) await this.advance(this.#guarantee.fetchTimeout)
    await this.#reload
    this.#reload = undefined
  }

  async #restart(): Promise<void> {
    await this.#finishReload()
    await this.#bus.stop()
    await this.advance(4_000)
    for (const name of codeNames) this.#guarantee.disturb(this.#guarantee.of(name), this.#now)
    await this.start()
  }

  #request(name: string, directives: CacheDirectives): void {
    const isMaintained = this.#isStarted && this.#guarantee.of(name).isMaintained
    const request = { codeName: name, directives, at: this.#now, isMaintained }
    const id = `request ${this.#guarantee.requests.size + 1}`
    this.#guarantee.requests.set(id, request)
    this.#pending.add(request)
    const query = async () => this.#bus.request(getSecret, { codeName: name, ...directives }, { id })
    void query()
      .then(
        (secret) =>
          this.#guarantee.check({ request, secret: reveal(secret) }, () =>
            this.#guarantee.expectReply(request, secret),
          ),
        (error) => this.#guarantee.check({ request, error }, () => this.#guarantee.expectError(request, error)),
      )
      .finally(() => this.#pending.delete(request))
  }
}
