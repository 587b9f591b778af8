/** A bus that keeps what is logged on it and who is called. */
import { type LogLevel, type LogRecord, lifecycle } from '../bus/process/lifecycle.ts'
import { ProcessBus, type Subscriber } from '../bus/process/process-bus.ts'
import type { Activity } from '../bus/taps.ts'

/** It ends with `stop()`, or at the end of the scope: `await using recorded = recordedBus(...)`. */
export interface RecordedBus extends AsyncDisposable {
  readonly bus: ProcessBus
  /** What has been logged so far. */
  readonly records: LogRecord[]
  /** The messages logged so far, of one level if given. */
  messages(level?: LogLevel): string[]
  /** The listeners and providers called so far, and how that went, in the order in which they were done. */
  readonly activity: readonly Activity[]
  /** Has everything stop in order, as when the process exits. Resolves to the code that it would exit with. */
  stop(): Promise<number>
}

/**
 * Makes a bus; it is for you to start it.
 * @param subscribers are used in this order, under these names
 * @param options.shutdownTimeout how long a stop may take, in milliseconds; 10 s when not given
 */
export function recordedBus(
  subscribers: Readonly<Record<string, Subscriber>> = {},
  options: { readonly shutdownTimeout?: number } = {},
): RecordedBus {
  const recorded = record(new ProcessBus(options))
  for (const [name, subscriber] of Object.entries(subscribers)) recorded.bus.use(name, subscriber)
  return recorded
}

/** Keeps what happens on the bus from now on. */
export function record(bus: ProcessBus): RecordedBus {
  const records: LogRecord[] = []
  const activity: Activity[] = []
  bus.subscribe(lifecycle.log, (record) => records.push(record), { name: 'recorder' })
  bus.tap((called) => activity.push(called))
  const messages = (level?: LogLevel) =>
    records.filter((record) => level === undefined || record.level === level).map(({ message }) => message)
  const stop = () => bus.exit()
  return { bus, records, messages, activity, stop, [Symbol.asyncDispose]: async () => void (await stop()) }
}
