/** The channels of the process lifecycle. A subscriber takes part in start, stop and reload by subscribing to them. */
import { event } from '../channel.ts'

export const states = ['STOPPED', 'STARTING', 'STARTED', 'STOPPING', 'EXITING'] as const
export type State = (typeof states)[number]

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof logLevels)[number]

export interface LogRecord {
  readonly level: LogLevel
  readonly message: string
  /** Additional data; by convention an error is `err` and the id of a call is `reqId`. */
  readonly fields: object
}

/** Time after which the log names a listener that is still running, in milliseconds. */
const warnAfter = 10_000

export const lifecycle = {
  /** When the process starts. A failure ends the start and the process. */
  start: event('lifecycle.start', { warnAfter }),
  /** When the process stops. Also delivered to listeners whose `start` never ran. */
  stop: event('lifecycle.stop', { reversed: true }),
  /** When held data (values, tokens, certificates) must be reloaded. Connections stay open. */
  graceful: event('lifecycle.graceful', { warnAfter }),
  /** When the process is about to end. For releasing resources that outlive a stop. */
  exit: event('lifecycle.exit', { reversed: true }),
  /** A log record, published by `bus.log`. */
  log: event<LogRecord>('lifecycle.log'),
  /** When the process has entered a state. */
  state: event<State>('lifecycle.state', { concurrent: true }),
}
