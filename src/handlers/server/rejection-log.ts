/** Logs rejected requests without a line each: the first at once, and then their number at intervals. */
import type { ProcessBus } from '../../bus/process/process-bus.ts'

/** Time between two lines on rejections with the same code, in milliseconds. */
const defaultInterval = 10_000

interface Period {
  /** The requests since the last line. */
  count: number
  readonly timer: NodeJS.Timeout
}

export class RejectionLog {
  readonly #bus: ProcessBus
  readonly #interval: number
  readonly #periods = new Map<string, Period>()

  constructor(bus: ProcessBus, interval = defaultInterval) {
    this.#bus = bus
    this.#interval = interval
  }

  /** @param fields additional data of the line on the first request */
  add(code: string, reason: string, fields: object): void {
    const period = this.#periods.get(code)
    if (period) {
      period.count += 1
      return
    }
    this.#bus.log('warn', `Rejecting requests: ${reason}`, { code, ...fields })
    this.#begin(code)
  }

  /** Logs what has been counted. */
  flush(): void {
    for (const code of [...this.#periods.keys()]) this.#end(code)
  }

  #begin(code: string): void {
    const onTimeout = () => {
      if (this.#end(code)) this.#begin(code)
    }
    this.#periods.set(code, { count: 0, timer: setTimeout(onTimeout, this.#interval).unref() })
  }

  /** @returns whether requests were rejected in the period */
  #end(code: string): boolean {
    const { count = 0, timer } = this.#periods.get(code) ?? {}
    clearTimeout(timer)
    this.#periods.delete(code)
    if (count > 0) this.#bus.log('warn', `Rejected ${count} more requests: ${code}`, { code, count })
    return count > 0
  }
}
