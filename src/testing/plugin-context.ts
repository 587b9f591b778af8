/** What a plug-in is handed, without a command line. */
import { UsageError } from '../errors.ts'
import { everyOption, type Options } from '../runtime/options/definitions.ts'
import { readOptions } from '../runtime/options/load.ts'
import { pluginContext as contextOf, type PluginContext } from '../runtime/plugins.ts'

type Flag = string | number | boolean

/** Options by their flags, without the dashes; a list is one that is given several times. */
export type Flags = Readonly<Record<string, Flag | readonly Flag[]>>

/**
 * What the default export of a plug-in's file is called with. The environment of this process is not looked at.
 * @param flags the options that are not the defaults: `{ 'code-name': ['rose', 'river'], 'cache-ttl': '10m' }`
 * @throws UsageError for what is no option, or not a value of it
 */
export async function pluginContext(flags: Flags = {}): Promise<PluginContext> {
  return contextOf(await optionsOf(flags))
}

/** The options as the service takes them. */
export function optionsOf(flags: Flags): Promise<Options> {
  const known = new Set(everyOption.map(({ flag }) => flag))
  const unknown = Object.keys(flags).filter((flag) => !known.has(flag))
  if (unknown.length > 0) throw new UsageError(`--${unknown.join(', --')} is not an option`)
  const given = Object.entries(flags).filter(([, value]) => [value].flat().length > 0)
  const written = given.map(([flag, value]) => [flag, [value].flat().map(String)] as const)
  return readOptions(new Map(written), {})
}
