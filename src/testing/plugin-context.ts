/** Creates the context of a plugin for a test. */
import { UsageError } from '../errors.ts'
import { everyOption, type Options } from '../runtime/options/definitions.ts'
import { readOptions } from '../runtime/options/load.ts'
import { pluginContext as contextOf, type PluginContext } from '../runtime/plugins.ts'

type Flag = string | number | boolean

/** Option values by flag, without the dashes. An array contains the values of a repeatable option. */
export type Flags = Readonly<Record<string, Flag | readonly Flag[]>>

/**
 * Creates the argument of a plugin's default export. It does not depend on environment variables.
 * @param flags overrides of the default options: `{ 'code-name': ['rose', 'river'], 'cache-ttl': '10m' }`
 * @throws UsageError if an option is unknown or its value is invalid
 */
export async function pluginContext(flags: Flags = {}): Promise<PluginContext> {
  return contextOf(await optionsOf(flags))
}

/** Converts flags to the options of the service. */
export function optionsOf(flags: Flags): Promise<Options> {
  const known = new Set(everyOption.map(({ flag }) => flag))
  const unknown = Object.keys(flags).filter((flag) => !known.has(flag))
  if (unknown.length > 0) throw new UsageError(`Unknown option --${unknown.join(', --')}`)
  const present = Object.entries(flags).filter(([, value]) => [value].flat().length > 0)
  const texts = present.map(([flag, value]) => [flag, [value].flat().map(String)] as const)
  return readOptions(new Map(texts), {})
}
