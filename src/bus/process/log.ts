/** Writes the log records of the bus with pino. */
import type { Logger } from 'pino'
import { lifecycle } from './lifecycle.ts'
import type { Subscriber } from './process-bus.ts'

/** Writes every `bus.log` record and, if the logger's level is `debug`, one line per call on the bus. */
export const log =
  (logger: Logger): Subscriber =>
  (bus) => {
    bus.subscribe(lifecycle.log, ({ level, message, fields }) => logger[level](fields, message))
    if (!logger.isLevelEnabled('debug')) return
    bus.tap((activity) => {
      const { channel, by, id: reqId, ms, error: err } = activity
      const outcome = 'error' in activity ? 'failed on' : 'handled'
      logger.debug({ channel, by, reqId, ms, err }, `${by} ${outcome} ${channel}`)
    })
  }
