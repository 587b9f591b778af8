/** Statistics of each channel and the most recent calls. Payloads, replies and error messages are not recorded. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { InterceptedCall } from '../../bus/call.ts'
import { type Activity, type Outcome, outcomeOf } from '../../bus/taps.ts'
import { labelOf } from '../../bus/thrown.ts'
import type { BackgroundRead } from './background-reads.ts'
import { type Position, Requests, type Span } from './requests.ts'

/** A finished call of a listener or provider, or a finished background read of a cache. */
export interface Message extends Position {
  /** Sequence number in the order of completion, starting at 1. */
  readonly number: number
  /** The start, in milliseconds since the epoch. */
  readonly at: number
  /** The start on the monotonic clock, in milliseconds with three decimals. */
  readonly start: number
  /** The channel of a call. */
  readonly channel: string | undefined
  /** Why a cache reads a value in the background; undefined for a call. */
  readonly trigger: BackgroundRead['trigger'] | undefined
  /** The listener or provider, or what the cache calls its values. */
  readonly by: string
  /** The call's id. */
  readonly id: string | undefined
  /** The trace that the call belongs to. */
  readonly trace: string | undefined
  /** The duration in milliseconds. */
  readonly ms: number
  readonly outcome: Outcome
  /** The `code` or name of the error, if the call failed. Its message is omitted because it may quote the payload. */
  readonly error?: string | undefined
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
  readonly requests = new Requests()
  #count = 0

  /** @param isRefusal whether an error is the client's fault; never by default */
  constructor(isRefusal: (error: unknown) => boolean = () => false) {
    this.#isRefusal = isRefusal
  }

  /** The number of messages so far, including those no longer kept. */
  get count(): number {
    return this.#count
  }

  /** Adds a finished call. */
  add(activity: Activity, call: InterceptedCall): void {
    const { channel, by, id, ms } = activity
    const startedAt = performance.now() - ms
    const outcome = outcomeOf(activity, this.#isRefusal)
    const stats = this.#channels.get(channel) ?? { failed: 0, times: createHistogram(range) }
    this.#channels.set(channel, stats)
    stats.times.record(Math.min(range.highest, Math.max(range.lowest, Math.round(ms * 1_000))))
    if (outcome === 'error' || outcome === 'timeout') stats.failed += 1

    const error = outcome === 'ok' ? undefined : labelOf(activity.error)
    const trace = call.trace?.traceId
    this.#keep(call, startedAt, { channel, trigger: undefined, by, id, trace, ms, outcome, error })
  }

  /**
   * Adds a finished background read of a cache. Its key is omitted, because it is the payload of a call.
   * @param startedAt its start on the monotonic clock, in milliseconds
   */
  addRead(read: BackgroundRead, span: Span, startedAt: number): void {
    const ms = performance.now() - startedAt
    const { cache: by, trigger, outcome: code = 'ok' } = read
    const trace = read.trace?.traceId
    const [outcome, error]: [Outcome, string?] = code === 'ok' ? ['ok'] : ['error', code]
    this.#keep(span, startedAt, { channel: undefined, trigger, by, id: undefined, trace, ms, outcome, error })
  }

  #keep(span: Span, startedAt: number, message: Omit<Message, keyof Position | 'number' | 'at' | 'start'>): void {
    this.#count += 1
    const at = Date.now() - message.ms
    const start = Math.round(startedAt * 1_000) / 1_000
    this.#recent.push({ number: this.#count, at, start, ...message, ...this.requests.add(span) })
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
