/** A source of option values: the command line, environment variables, a file, or the defaults. */
import type { Written } from '../cli/command-line.ts'

export interface Source {
  readonly written: Written
  /** The name of an option in error messages. */
  readonly label: (flag: string) => string
}
