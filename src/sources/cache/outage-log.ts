/** Log lines about failing reads: one warning per reason of an outage, and one line for the recovery. */
import { messageOf } from '../../bus/errors.ts'
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import type { CacheWords } from './cached.ts'

/** Number of reasons that are logged as warnings in one outage. */
const maxReasons = 100

export class OutageLog {
  readonly #bus: ProcessBus
  readonly #words: CacheWords
  readonly #field: string
  /** The reasons logged during this outage. A set, because an outage may alternate between them. */
  readonly #logged = new Set<string>()

  constructor(bus: ProcessBus, words: CacheWords) {
    this.#bus = bus
    this.#words = words
    this.#field = words.label.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
  }

  onSuccess(key: string, id: string | undefined): void {
    const { one } = this.#words
    if (this.#logged.size > 0) this.#bus.log('info', `Recovered: fetched ${one} ${key}`, this.#fields(key, id))
    this.#logged.clear()
  }

  /** @param isOutage whether the failure is worth a warning */
  onFailure(key: string, id: string | undefined, err: unknown, isOutage: boolean): void {
    const reason = messageOf(err)
    const warns = isOutage && !this.#logged.has(reason) && this.#logged.size < maxReasons
    const message = `Failed to fetch ${this.#words.one} ${key}: ${reason}`
    this.#bus.log(warns ? 'warn' : 'debug', message, { ...this.#fields(key, id), err })
    if (warns) this.#logged.add(reason)
  }

  #fields(key: string, id: string | undefined) {
    return { [this.#field]: key, reqId: id }
  }
}
