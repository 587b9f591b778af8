/** Forwards operating system signals and uncaught exceptions to the bus. */
import { messageOf } from '../errors.ts'
import { lifecycle } from './lifecycle.ts'
import type { Subscriber } from './process-bus.ts'

/**
 * SIGTERM and SIGINT shut down; a second one ends the process immediately with code 1. SIGHUP reloads. After an
 * uncaught exception the state of the process is undefined, so it exits with 70 (`EX_SOFTWARE` of sysexits.h).
 */
export const signals =
  (process: NodeJS.Process): Subscriber =>
  (bus) => {
    let received = false

    const onTermination = (signal: NodeJS.Signals) => {
      if (received) return onSecond(signal)
      received = true
      bus.log('info', `Received ${signal}, shutting down`)
      void bus.exit()
    }
    const onSecond = (signal: NodeJS.Signals) => {
      bus.log('warn', `Received ${signal} again, exiting immediately`)
      process.exit(1)
    }
    const onHangup = () => {
      // A failure is logged where it occurs.
      bus.graceful().catch(() => {})
    }
    const onUncaught = (error: unknown) => {
      bus.log('fatal', `Uncaught exception: ${messageOf(error)}`, { err: error })
      void bus.exit(70)
    }

    const install = () => {
      uninstall()
      process.on('SIGTERM', onTermination).on('SIGINT', onTermination).on('SIGHUP', onHangup)
      process.on('uncaughtException', onUncaught).on('unhandledRejection', onUncaught)
    }
    const uninstall = () => {
      process.off('SIGTERM', onTermination).off('SIGINT', onTermination).off('SIGHUP', onHangup)
      process.off('uncaughtException', onUncaught).off('unhandledRejection', onUncaught)
    }

    bus.subscribe(lifecycle.start, install, { priority: 0 })
    bus.subscribe(lifecycle.exit, uninstall, { priority: 100 })
  }
