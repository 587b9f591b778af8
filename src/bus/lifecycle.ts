/** The channels of the process itself. Subscribing to them is all that it takes to be started, stopped or reloaded. */
import { event } from './channel.ts'

export const states = ['STOPPED', 'STARTING', 'STARTED', 'STOPPING', 'EXITING'] as const
export type State = (typeof states)[number]

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof logLevels)[number]

export interface LogRecord {
  readonly level: LogLevel
  readonly message: string
  /** What is known beside the message; an error goes under `err`, the id of a call under `reqId`. */
  readonly fields: object
}

export const lifecycle = {
  /** Begin to work. A failure ends the start and the process. */
  start: event('lifecycle.start'),
  /** Stop working. Bear being called when `start` never was. */
  stop: event('lifecycle.stop', { reversed: true }),
  /** Reload what you hold: values, tokens, certificates. Connections stay. */
  graceful: event('lifecycle.graceful'),
  /** The process ends; let go of what outlives a stop. */
  exit: event('lifecycle.exit', { reversed: true }),
  /** A line for the log; published with `bus.log`. */
  log: event<LogRecord>('lifecycle.log'),
  /** The process is in this state now. */
  state: event<State>('lifecycle.state', { concurrent: true }),
}
