/** The terminal that the process was started from. */
import { closeSync, constants, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import { codeOf } from '../errors.ts'

export interface Terminal {
  /** Whether the terminal has been closed since, or taken from the process. */
  readonly isGone: () => boolean
}

/**
 * The controlling terminal, if at least one standard stream is a terminal. A process that was started with nohup has a
 * controlling terminal, but none of its streams is one. Node.js no longer ignores SIGHUP then, so this tells the two
 * apart.
 */
export function attachedTerminal(): Terminal | undefined {
  if (![0, 1, 2].some(isatty) || openError() !== undefined) return undefined
  // Other codes, such as EMFILE, say nothing about the terminal.
  return { isGone: () => ['ENXIO', 'EIO'].includes(String(openError())) }
}

/** The error code of an attempt to open the controlling terminal. */
function openError(): unknown {
  try {
    closeSync(openSync('/dev/tty', constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK))
    return undefined
  } catch (error) {
    return codeOf(error) ?? error
  }
}
