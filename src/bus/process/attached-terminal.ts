/** The terminal that the process was started from. */
import { closeSync, constants, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import { codeOf } from '../errors.ts'

export interface Terminal {
  /** Whether the terminal has since been closed, or detached from the process. */
  readonly isGone: () => boolean
}

/**
 * The controlling terminal, if at least one standard stream is a terminal. A process that was started with nohup has a
 * controlling terminal, but none of its streams is one. Its SIGHUP cannot be used to distinguish the two cases, because
 * Node.js resets ignored signals at start.
 */
export function attachedTerminal(): Terminal | undefined {
  if (![0, 1, 2].some(isatty) || openError() !== undefined) return undefined
  // Other codes, such as EMFILE, do not show that the terminal is gone.
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
