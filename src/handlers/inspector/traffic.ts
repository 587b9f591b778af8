/** What has passed on the bus: numbers for each channel, and the last messages. Never what they carried. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { codeOf } from '../../bus/errors.ts'
import { type Activity, type Outcome, outcomeOf } from '../../bus/taps.ts'

/** One listener or provider was called. */
export interface Message {
  /** They are numbered as they end, from 1 on. */
  readonly number: number
  /** When it was called, in milliseconds since the epoch. */
  readonly at: number
  readonly channel: string
  readonly by: string
  /** The call's id. */
  readonly id: string | undefined
  /** How long it took, in milliseconds. */
  readonly ms: number
  readonly outcome: Outcome
  /** The `code` or name of the error, if it failed. Its message may have told what was carried. */
  readonly error: string | undefined
}

export interface ChannelTraffic {
  readonly channel: string
  /** How many calls there were, and how many of them failed. */
  readonly count: number
  readonly failed: number
  /** Half of the calls, and 99% of them, took no longer than this, in milliseconds. */
  readonly p50: number
  readonly p99: number
}

/** How many of the last messages are kept. */
const kept = 200

/** Microseconds, up to an hour; two digits are enough to look at, and little to keep. */
const range = { lowest: 1, highest: 3_600_000_000, figures: 2 }

export class BusTraffic {
  readonly #channels = new Map<string, { failed: number; readonly times: RecordableHistogram }>()
  readonly #last: Message[] = []
  #count = 0

  /** How many messages there were. */
  get count(): number {
    return this.#count
  }

  add(activity: Activity): void {
    const { channel, by, id, ms } = activity
    const outcome = outcomeOf(activity)
    const numbers = this.#channels.get(channel) ?? { failed: 0, times: createHistogram(range) }
    this.#channels.set(channel, numbers)
    numbers.times.record(Math.min(range.highest, Math.max(range.lowest, Math.round(ms * 1_000))))
    if (outcome !== 'ok') numbers.failed += 1

    this.#count += 1
    const error = outcome === 'ok' ? undefined : nameOf(activity.error)
    this.#last.push({ number: this.#count, at: Date.now() - ms, channel, by, id, ms, outcome, error })
    if (this.#last.length > kept) this.#last.shift()
  }

  /** Those that are kept of the messages after the one of this number, in order. */
  since(number: number): readonly Message[] {
    return this.#last.filter((message) => message.number > number)
  }

  channels(): ChannelTraffic[] {
    return [...this.#channels].map(([channel, { failed, times }]) => {
      const percentile = (percent: number) => times.percentile(percent) / 1_000
      return { channel, count: times.count, failed, p50: percentile(50), p99: percentile(99) }
    })
  }
}

function nameOf(error: unknown): string {
  const code = codeOf(error)
  if (typeof code === 'string') return code
  return error instanceof Error ? error.name : typeof error
}
