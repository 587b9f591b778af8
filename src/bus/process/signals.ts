/** Forwards operating system signals and uncaught exceptions to the bus. */
import { messageOf } from '../errors.ts'
import { attachedTerminal, type Terminal } from './attached-terminal.ts'
import { lifecycle } from './lifecycle.ts'
import type { Subscriber } from './process-bus.ts'

/** A second signal within this time after the first does not force the exit, in milliseconds. */
const repeatAfter = 1_000

/** The time after which the terminal is checked again, in milliseconds. */
const recheckAfter = 100

/** The part of Node's `process` that is used, so that the types of the bus do not require those of Node.js. */
export interface SignalSource {
  on(event: string, listener: (value: unknown) => void): unknown
  off(event: string, listener: (value: unknown) => void): unknown
  exit(code: number): unknown
}

export interface SignalOptions {
  /** The time of a monotonic clock, in milliseconds. */
  readonly now?: () => number
  /** The terminal that the process was started from; detected by default. */
  readonly terminal?: Terminal | undefined
  /** Ends the process immediately; `process.exit` by default, which waits for blocked threads. */
  readonly end?: ((code: number) => unknown) | undefined
}

/**
 * SIGTERM and SIGINT shut down; a second one ends the process immediately with code 1 if it comes at least 1 s after
 * the first. An earlier one may come from the same Ctrl-C: `node --watch` and npm forward the signal that the terminal
 * has already sent to all processes. SIGHUP reloads, or shuts down if the terminal that the process was started from is
 * gone. After an uncaught exception the state of the process is undefined, so it exits with 70 (`EX_SOFTWARE` of
 * sysexits.h).
 */
export const signals =
  (
    process: SignalSource,
    {
      now = () => performance.now(),
      terminal = attachedTerminal(),
      end = (code) => process.exit(code),
    }: SignalOptions = {},
  ): Subscriber =>
  (bus) => {
    let firstAt: number | undefined

    const shutDown = (cause: string) => {
      firstAt = now()
      bus.log('info', `Received ${cause}, shutting down`)
      void bus.exit()
    }
    const onTermination = (signal: string) => {
      if (firstAt === undefined) return shutDown(signal)
      if (now() - firstAt < repeatAfter) {
        bus.log('info', `Received ${signal} again, still shutting down; repeat it after 1 s to exit immediately`)
        return
      }
      bus.log('warn', `Received ${signal} again, exiting immediately`)
      end(1)
    }
    const onHangup = () => {
      if (shutDownIfTerminalIsGone()) return
      // A failure is logged where it occurs.
      bus.graceful().catch(() => {})
      // When a shell exits, the kernel sends SIGHUP to its processes just before it detaches them from the terminal.
      if (terminal) setTimeout(shutDownIfTerminalIsGone, recheckAfter).unref()
    }
    const shutDownIfTerminalIsGone = (): boolean => {
      if (!terminal?.isGone()) return false
      if (firstAt === undefined) shutDown('SIGHUP and the terminal is gone')
      return true
    }
    const onUncaught = (error: unknown) => {
      bus.log('fatal', `Uncaught exception: ${messageOf(error)}`, { err: error })
      void bus.exit(70)
    }

    const listeners = Object.entries({
      SIGTERM: () => onTermination('SIGTERM'),
      SIGINT: () => onTermination('SIGINT'),
      SIGHUP: onHangup,
      uncaughtException: onUncaught,
      unhandledRejection: onUncaught,
    })
    const install = () => {
      uninstall()
      for (const [event, listener] of listeners) process.on(event, listener)
    }
    const uninstall = () => {
      for (const [event, listener] of listeners) process.off(event, listener)
    }

    bus.subscribe(lifecycle.start, install, { priority: 0 })
    bus.subscribe(lifecycle.exit, uninstall, { priority: 100 })
  }
