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
    bus.tap(({ id, error, ...activity }) => {
      const outcome = error === undefined ? 'answered' : 'failed on'
      logger.debug({ ...activity, reqId: id, err: error }, `${activity.by} ${outcome} ${activity.channel}`)
    })
  }
