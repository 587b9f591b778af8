/** What is wrong with what the process was started with. */

/** An error that says which exit code it calls for. Those of others may have one too, which is none for this process. */
export abstract class ExitError extends Error {
  abstract readonly exitCode: number
}

/** An option, or its value, is not one. */
export class UsageError extends ExitError {
  override readonly name = 'UsageError'
  readonly code = 'USAGE'
  /** `EX_USAGE` of sysexits.h. */
  readonly exitCode = 64
}

/** A file that an option names is not there, cannot be read, or does not hold what it should. */
export class UnusableFile extends ExitError {
  override readonly name = 'UnusableFile'
  readonly code = 'UNUSABLE_FILE'
  /** `EX_CONFIG` of sysexits.h. */
  readonly exitCode = 78
}
