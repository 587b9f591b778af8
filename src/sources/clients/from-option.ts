/** Loads clients from a file, which is watched, or from a variable. */
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import { UnusableFile, UsageError } from '../../errors.ts'
import { watchFiles } from '../../runtime/watch-files.ts'
import type { Sensitive } from '../../secret.ts'
import type { LoadedClients } from './clients.ts'
import { InvalidClients } from './invalid-clients.ts'

/** Where the clients are: in the file or in the variable. */
export interface OptionWithClients {
  readonly flag: string
  readonly path: string | undefined
  readonly variable: string
  readonly value: Sensitive | undefined
}

/**
 * @param every pause between two checks for a change of the file, in milliseconds; 0 disables them
 * @returns a function that loads them at once. It throws UnusableFile or UsageError
 */
export function loadFromOption(
  bus: ProcessBus,
  { flag, path, variable, value }: OptionWithClients,
  every: number,
  { content, read, use, staleness }: LoadedClients,
): () => Promise<void> {
  return watchFiles(bus, {
    files: path === undefined ? [] : [{ flag, path }],
    every,
    content,
    parse: ([file]) => {
      try {
        return read(file?.toString() ?? value?.reveal() ?? '')
      } catch (error) {
        if (!(error instanceof InvalidClients)) throw error
        throw file ? new UnusableFile(error.in(`${flag} ${path}`)) : new UsageError(error.in(variable))
      }
    },
    use,
    report: (failure) => (failure ? staleness.begin() : staleness.end()),
  })
}
