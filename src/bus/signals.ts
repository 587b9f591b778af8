/** What the operating system and the runtime say to the process, handed on to the bus. */
import { messageOf } from './errors.ts'
import { lifecycle } from './lifecycle.ts'
import type { Subscriber } from './process-bus.ts'

/**
 * SIGTERM and SIGINT exit, and the second of them ends the process at once, with code 1. SIGHUP reloads. An error that
 * nobody caught leaves the process in a state that nobody knows, so it exits with 70 (`EX_SOFTWARE` of sysexits.h).
 */
export const signals =
  (process: NodeJS.Process): Subscriber =>
  (bus) => {
    let told = false

    const onTermination = (signal: NodeJS.Signals) => {
      if (told) return onSecond(signal)
      told = true
      bus.log('info', `${signal}: exiting`)
      void bus.exit()
    }
    const onSecond = (signal: NodeJS.Signals) => {
      bus.log('warn', `${signal} again: ending at once`)
      process.exit(1)
    }
    const onHangup = () => {
      // What fails is logged where it fails.
      bus.graceful().catch(() => {})
    }
    const onUncaught = (error: unknown) => {
      bus.log('fatal', `Nobody caught: ${messageOf(error)}`, { err: error })
      void bus.exit(70)
    }

    const listen = () => {
      ignore()
      process.on('SIGTERM', onTermination).on('SIGINT', onTermination).on('SIGHUP', onHangup)
      process.on('uncaughtException', onUncaught).on('unhandledRejection', onUncaught)
    }
    const ignore = () => {
      process.off('SIGTERM', onTermination).off('SIGINT', onTermination).off('SIGHUP', onHangup)
      process.off('uncaughtException', onUncaught).off('unhandledRejection', onUncaught)
    }

    bus.subscribe(lifecycle.start, listen, { priority: 0 })
    bus.subscribe(lifecycle.exit, ignore, { priority: 100 })
  }
