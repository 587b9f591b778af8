/** Statistics of each channel and the most recent calls. Payloads, replies and error messages are not recorded. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { codeOf } from '../../bus/errors.ts'
import { type Activity, type Outcome, outcomeOf } from '../../bus/taps.ts'
import { nameOf } from '../../bus/thrown.ts'

/** A finished call of a listener or provider. */
export interface Message {
  /** Sequence number in the order of completion, starting at 1. */
  readonly number: number
  /** The start of the call, in milliseconds since the epoch. */
  readonly at: number
  readonly channel: string
  readonly by: string
  /** The call's id. */
  readonly id: string | undefined
  /** The duration in milliseconds. */
  readonly ms: number
  readonly outcome: Outcome
  /** The `code` or name of the error, if the call failed. Its message is omitted because it may quote the payload. */
  readonly error: string | undefined
}

export interface ChannelTraffic {
  readonly channel: string
  /** The number of calls, and of those that failed. Refused ones are the client's fault, not failures. */
  readonly count: number
  readonly failed: number
  /** Percentiles of the duration in milliseconds. */
  readonly p50: number
  readonly p99: number
}

/** The number of recent messages to keep. */
const maxMessages = 200

/** Durations in microseconds, up to one hour. Two significant digits keep the histograms small. */
const range = { lowest: 1, highest: 3_600_000_000, figures: 2 }

export class BusTraffic {
  readonly #channels = new Map<string, { failed: number; readonly times: RecordableHistogram }>()
  readonly #recent: Message[] = []
  readonly #isRefusal: (error: unknown) => boolean
  #count = 0

  /** @param isRefusal whether an error is the client's fault; never by default */
  constructor(isRefusal: (error: unknown) => boolean = () => false) {
    this.#isRefusal = isRefusal
  }

  /** The number of messages so far, including those no longer kept. */
  get count(): number {
    return this.#count
  }

  add(activity: Activity): void {
    const { channel, by, id, ms } = activity
    const outcome = outcomeOf(activity, this.#isRefusal)
    const stats = this.#channels.get(channel) ?? { failed: 0, times: createHistogram(range) }
    this.#channels.set(channel, stats)
    stats.times.record(Math.min(range.highest, Math.max(range.lowest, Math.round(ms * 1_000))))
    if (outcome === 'error' || outcome === 'timeout') stats.failed += 1

    this.#count += 1
    const error = outcome === 'ok' ? undefined : labelOf(activity.error)
    this.#recent.push({ number: this.#count, at: Date.now() - ms, channel, by, id, ms, outcome, error })
    if (this.#recent.length > maxMessages) this.#recent.shift()
  }

  /** The kept messages after the given sequence number, oldest first. */
  since(number: number): readonly Message[] {
    return this.#recent.filter((message) => message.number > number)
  }

  channels(): ChannelTraffic[] {
    return [...this.#channels].map(([channel, { failed, times }]) => {
      const percentile = (percent: number) => times.percentile(percent) / 1_000
      return { channel, count: times.count, failed, p50: percentile(50), p99: percentile(99) }
    })
  }
}

function labelOf(error: unknown): string {
  const code = codeOf(error)
  return typeof code === 'string' ? code : nameOf(error)
}
