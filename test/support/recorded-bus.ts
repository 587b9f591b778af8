/** A bus whose log can be looked at. */
import type { LogRecord } from '../../src/bus/lifecycle.ts'
import { lifecycle } from '../../src/bus/lifecycle.ts'
import { ProcessBus, type Subscriber } from '../../src/bus/process-bus.ts'

export interface RecordedBus {
  readonly bus: ProcessBus
  readonly records: LogRecord[]
  /** The messages logged so far, of one level if given. */
  messages(level?: LogRecord['level']): string[]
}

/** @param subscribers are used in this order, under these names */
export function recordedBus(
  subscribers: Readonly<Record<string, Subscriber>> = {},
  options: { readonly shutdownTimeout?: number } = {},
): RecordedBus {
  const bus = new ProcessBus(options)
  const records: LogRecord[] = []
  bus.subscribe(lifecycle.log, (record) => records.push(record), { name: 'recorder' })
  for (const [name, subscriber] of Object.entries(subscribers)) bus.use(name, subscriber)
  const messages = (level?: LogRecord['level']) =>
    records.filter((record) => level === undefined || record.level === level).map(({ message }) => message)
  return { bus, records, messages }
}
