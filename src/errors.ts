/** Errors in the configuration of the process. */

/**
 * An error with an exit code for the process. A class rather than an interface, because errors of other packages may
 * have an unrelated `exitCode`.
 */
export abstract class ExitError extends Error {
  abstract readonly exitCode: number
}

/** An option is unknown, or its value is invalid. */
export class UsageError extends ExitError {
  override readonly name = 'UsageError'
  readonly code = 'USAGE'
  /** `EX_USAGE` of sysexits.h. */
  readonly exitCode = 64
}

/** A file named by an option is missing, unreadable or invalid. */
export class UnusableFile extends ExitError {
  override readonly name = 'UnusableFile'
  readonly code = 'UNUSABLE_FILE'
  /** `EX_CONFIG` of sysexits.h. */
  readonly exitCode = 78
}
