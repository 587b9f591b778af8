/** A source of option values: the command line, environment variables, a file, or the defaults. */
import type { ResolvedOption } from './option.ts'

/** The unparsed values of each flag, without its leading dashes, in the order given. */
export type Written = ReadonlyMap<string, readonly string[]>

export interface Source {
  readonly written: Written
  /** The name of an option in error messages. */
  readonly label: (option: ResolvedOption) => string
}
