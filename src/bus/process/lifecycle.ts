/** The channels of the process lifecycle. A subscriber takes part in start, stop and reload by subscribing to them. */
import { event } from '../channel.ts'

export const states = ['STOPPED', 'STARTING', 'STARTED', 'STOPPING', 'EXITING'] as const
export type State = (typeof states)[number]

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof logLevels)[number]

export interface LogRecord {
  readonly level: LogLevel
  readonly message: string
  /**
   * Additional data; by convention an error is `err` and the id of a call is `reqId`. A listener may replace the object,
   * to add fields for the listeners after it.
   */
  fields: object
}

/** Time after which a listener that is still running is named in the log, in milliseconds. */
const warnAfter = 10_000

export const lifecycle = {
  /** Published when the process starts. If a listener fails, the process exits. */
  start: event('lifecycle.start', { warnAfter }),
  /** Published when the process stops, also to subscribers whose start listener never ran. */
  stop: event('lifecycle.stop', { reversed: true }),
  /** Published when data in memory (values, tokens, certificates) must be reloaded. Connections stay open. */
  graceful: event('lifecycle.graceful', { warnAfter }),
  /** Published when the process is about to end, to release resources that are still needed after the stop. */
  exit: event('lifecycle.exit', { reversed: true }),
  /** A log record, published by `bus.log`. */
  log: event<LogRecord>('lifecycle.log'),
  /** Published when the process has entered a state. */
  state: event<State>('lifecycle.state', { concurrent: true }),
}
