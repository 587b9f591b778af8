/** Writes the log records of the bus with a logger such as pino. */
import { type LogLevel, lifecycle } from './lifecycle.ts'
import type { Subscriber } from './process-bus.ts'

/** The part of a pino logger that is used. The bus does not depend on pino, so that any logger of this form will do. */
export type Logger = Readonly<Record<LogLevel, (fields: object, message: string) => void>> & {
  /** Whether the level is logged; without this method, all levels are. */
  readonly isLevelEnabled?: (level: LogLevel) => boolean
}

/** Writes every `bus.log` record and, if the logger's level is `debug`, one line per call on the bus. */
export const log =
  (logger: Logger): Subscriber =>
  (bus) => {
    bus.subscribe(lifecycle.log, ({ level, message, fields }) => logger[level](fields, message))
    if (logger.isLevelEnabled?.('debug') === false) return
    bus.tap((activity, { trace }) => {
      const { channel, by, id: reqId, ms, error: err } = activity
      const outcome = 'error' in activity ? 'failed on' : 'handled'
      logger.debug({ channel, by, reqId, trace_id: trace?.traceId, ms, err }, `${by} ${outcome} ${channel}`)
    })
  }
