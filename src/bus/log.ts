/** The log of the bus, written by pino. */
import type { Logger } from 'pino'
import { lifecycle } from './lifecycle.ts'
import type { Subscriber } from './process-bus.ts'

/** Writes what is told to `bus.log` and, where the logger's level is `debug`, everyone the bus calls. */
export const log =
  (logger: Logger): Subscriber =>
  (bus) => {
    bus.subscribe(lifecycle.log, ({ level, message, fields }) => logger[level](fields, message))
    if (!logger.isLevelEnabled('debug')) return
    bus.tap((activity) => {
      const { channel, by, id: reqId, ms, error: err } = activity
      const outcome = 'error' in activity ? 'failed on' : 'answered'
      logger.debug({ channel, by, reqId, ms, err }, `${by} ${outcome} ${channel}`)
    })
  }
