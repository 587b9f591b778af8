/** A bus that records its log and its calls. */
import { type LogLevel, type LogRecord, lifecycle } from '../bus/process/lifecycle.ts'
import { ProcessBus, type Subscriber } from '../bus/process/process-bus.ts'
import type { Manifest } from '../bus/process/service-info.ts'
import type { Activity } from '../bus/taps.ts'
import { secretBus } from '../service.ts'

/** Stops with `stop()` or at the end of the scope: `await using recorded = recordedBus(...)`. */
export interface RecordedBus extends AsyncDisposable {
  readonly bus: ProcessBus
  /** The log records so far. */
  readonly records: LogRecord[]
  /** The log messages so far, optionally of one level only. */
  messages(level?: LogLevel): string[]
  /** The finished calls of listeners and providers, in the order of completion. */
  readonly activity: readonly Activity[]
  /** Shuts down as when the process exits, and resolves to the exit code. */
  stop(): Promise<number>
}

/**
 * Creates a bus with the subscribers, without starting it.
 * @param subscribers subscribers by name, in start order
 * @param options.shutdownTimeout time limit of `stop` in milliseconds; 10 s by default
 * @param options.reloadTimeout time limit of each listener of a reload in milliseconds; 30 s by default
 * @param options.service the name and version of the service; those of secret-bus by default
 */
export function recordedBus(
  subscribers: Readonly<Record<string, Subscriber>> = {},
  options: { readonly shutdownTimeout?: number; readonly reloadTimeout?: number; readonly service?: Manifest } = {},
): RecordedBus {
  const recorded = record(new ProcessBus({ service: secretBus, ...options }))
  for (const [name, subscriber] of Object.entries(subscribers)) recorded.bus.use(name, subscriber)
  return recorded
}

/** Records the log and the calls of the bus from now on. */
export function record(bus: ProcessBus): RecordedBus {
  const records: LogRecord[] = []
  const activity: Activity[] = []
  bus.subscribe(lifecycle.log, (record) => records.push(record), { name: 'recorder' })
  bus.tap((call) => activity.push(call))
  const messages = (level?: LogLevel) =>
    records.filter((record) => level === undefined || record.level === level).map(({ message }) => message)
  const stop = () => bus.exit()
  return { bus, records, messages, activity, stop, [Symbol.asyncDispose]: async () => void (await stop()) }
}
