/** A source of secrets whose values change over time, on a manual clock. It remembers all values and all reads. */
import type { Provider } from '../../../src/bus/bus.ts'
import { type SecretKey, SecretNotFound, Sensitive, SourceFailure, type StoredSecret } from '../../../src/secret.ts'
import { type ManualClock, settled } from '../manual-clock.ts'

/** How the source handles the reads that are sent from now on. */
export interface Behaviour {
  readonly kind: 'answers' | 'fails' | 'refuses' | 'hangs'
  /** Time until the response, in milliseconds. */
  readonly latency: number
  /** When the source looks up the value: at the beginning (0) to the end (1) of the latency. */
  readonly lookup: number
}

/** A value of a secret, and when it was current, on the monotonic clock. */
export interface Version {
  readonly value: string
  readonly since: number
  until: number
}

/** A read, with times on the monotonic clock. */
export interface Read {
  readonly codeName: string
  /** The id of the request that caused it; undefined for the background and for reloads. */
  readonly id: string | undefined
  readonly sentAt: number
  /** When the cache gives up. */
  readonly deadline: number
  readonly latency: number
  /** Undefined while the read is in progress. */
  outcome: 'value' | 'absent' | 'refused' | 'failed' | undefined
  /** The value that was looked up. */
  version: Version | undefined
}

interface Event {
  readonly at: number
  readonly run: () => void
}

export class ModelSource {
  behaviour: Behaviour = { kind: 'answers', latency: 0, lookup: 0 }
  readonly versions = new Map<string, Version>()
  readonly #current = new Map<string, Version>()
  readonly #clock: ManualClock
  readonly #events: Event[] = []
  /** The reads that the cache ends, because the source does not respond in time. */
  readonly #hanging = new Set<Read>()
  readonly #onSent: (read: Read) => void
  readonly #onOutcome: (read: Read, at: number) => void

  /** @param onSent called before a read is handled; `onOutcome`, before the cache learns its outcome */
  constructor(clock: ManualClock, onSent: (read: Read) => void, onOutcome: (read: Read, at: number) => void) {
    this.#clock = clock
    this.#onSent = onSent
    this.#onOutcome = onOutcome
  }

  rotate(codeName: string): void {
    this.remove(codeName)
    const value = `value ${this.versions.size + 1}`
    const version = { value, since: this.#clock.monotonic(), until: Infinity }
    this.versions.set(value, version)
    this.#current.set(codeName, version)
  }

  remove(codeName: string): void {
    const version = this.#current.get(codeName)
    if (version) version.until = this.#clock.monotonic()
    this.#current.delete(codeName)
  }

  current(codeName: string): string | undefined {
    return this.#current.get(codeName)?.value
  }

  /** When the source does something next. */
  get next(): number {
    return Math.min(...this.#events.map(({ at }) => at), ...[...this.#hanging].map(({ deadline }) => deadline))
  }

  /** Records the reads that the cache ends at this time. Call it before the timers of that time run. */
  expire(at: number): void {
    for (const read of this.#hanging) {
      if (read.deadline > at) continue
      this.#hanging.delete(read)
      this.#end(read, 'failed', at)
    }
  }

  /** Does what is due, one after the other, so that the cache learns of one outcome at a time. */
  async runDue(): Promise<void> {
    for (;;) {
      const index = this.#events.findIndex(({ at }) => at <= this.#clock.monotonic())
      if (index < 0) return
      const [event] = this.#events.splice(index, 1)
      event?.run()
      await settled()
    }
  }

  readonly provide: Provider<SecretKey, StoredSecret> = ({ codeName }, call) => {
    const { kind, latency, lookup } = this.behaviour
    const sentAt = this.#clock.monotonic()
    const deadline = sentAt + call.deadline - Date.now()
    const read: Read = { codeName, id: call.id, sentAt, deadline, latency, outcome: undefined, version: undefined }
    this.#onSent(read)
    const { promise, resolve, reject } = Promise.withResolvers<StoredSecret>()
    // At the deadline itself, the timer of the bus is first.
    if (kind === 'hangs' || sentAt + latency >= deadline) {
      this.#hanging.add(read)
      return promise
    }
    const look = () => {
      read.version = this.#current.get(codeName)
    }
    const answer = () => {
      const { version } = read
      if (kind !== 'answers') {
        const code = kind === 'fails' ? 'SOURCE_UNAVAILABLE' : 'SOURCE_REFUSED'
        this.#end(read, kind === 'fails' ? 'failed' : 'refused')
        reject(new SourceFailure(code, 'simulated failure'))
      } else if (version) {
        this.#end(read, 'value')
        resolve({ codeName, value: new Sensitive(version.value) })
      } else {
        this.#end(read, 'absent')
        reject(new SecretNotFound(codeName))
      }
    }
    this.#events.push({ at: sentAt + Math.floor(latency * lookup), run: look }, { at: sentAt + latency, run: answer })
    return promise
  }

  #end(read: Read, outcome: Read['outcome'], at = this.#clock.monotonic()): void {
    read.outcome = outcome
    this.#onOutcome(read, at)
  }
}
