/** What is wrong with what the process was started with. Each error carries the exit code that it calls for. */

/** An option, or its value, is not one. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'USAGE'
  /** `EX_USAGE` of sysexits.h. */
  readonly exitCode = 64
}

/** A file that an option names is not there, cannot be read, or does not hold what it should. */
export class UnusableFile extends Error {
  override readonly name = 'UnusableFile'
  readonly code = 'UNUSABLE_FILE'
  /** `EX_CONFIG` of sysexits.h. */
  readonly exitCode = 78
}
