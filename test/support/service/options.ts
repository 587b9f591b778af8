/** The options of secret-bus, read as `main.ts` reads them. */
import { readCommandLine as read } from '../../../src/runtime/cli/command-line.ts'
import { readOptions as load } from '../../../src/runtime/options/load.ts'
import type { ResolvedOption } from '../../../src/runtime/options/option.ts'
import type { Written } from '../../../src/runtime/options/source.ts'
import type { SecretBusOptions } from '../../../src/runtime/plugins/plugin.ts'
import { secretBus } from '../../../src/service.ts'

export type Options = SecretBusOptions

/** The options that have a flag. */
export const everyOption: readonly ResolvedOption[] = secretBus.resolved.filter(({ variableOnly }) => !variableOnly)

export async function readOptions(commandLine: Written, environment: NodeJS.ProcessEnv): Promise<Options> {
  const { '': values } = await load(secretBus.resolved, { commandLine, environment })
  return values as Options // as declared
}

/** @param version the version in place of that in package.json */
export function readCommandLine(args: readonly string[], version = '1.2.3', columns?: number) {
  const info = { ...secretBus.info, version }
  return read(args, { ...secretBus, info, options: secretBus.resolved, columns })
}
