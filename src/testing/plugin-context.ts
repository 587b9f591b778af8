/** Creates the context of a plugin for a test. */
import { UsageError } from '../errors.ts'
import { checkFlags, type Service } from '../runtime/define-service.ts'
import { type AllValues, readOptions } from '../runtime/options/load.ts'
import { type OptionRecord, type OptionValues, type ResolvedOption, resolveOptions } from '../runtime/options/option.ts'
import { pluginContext as contextOf, type PluginContext } from '../runtime/plugins/plugin.ts'
import { secretBus } from '../service.ts'

type Flag = string | number | boolean

/**
 * Option values by flag, without the dashes. An array contains the values of a repeatable option. An option that has no
 * flag is given by its environment variable.
 */
export type Flags = Readonly<Record<string, Flag | readonly Flag[]>>

/** What a plugin module exports apart from its default export. */
export interface PluginDeclaration<Declared extends OptionRecord = OptionRecord> {
  /** The name that begins the plugin's flags. */
  readonly name: string
  readonly options?: Declared
}

/**
 * Creates the argument of a plugin's default export. It does not depend on environment variables.
 * @param flags overrides of the default options: `{ 'code-name': ['rose', 'river'], 'cache-ttl': '10m' }`
 * @param plugin the plugin's exports, if it declares options: `import * as plugin from './hello.mjs'`
 * @throws UsageError if an option is unknown or its value is invalid; TypeError if a declaration is invalid
 */
export async function pluginContext<const Declared extends OptionRecord = OptionRecord>(
  flags: Flags = {},
  plugin?: PluginDeclaration<Declared>,
): Promise<PluginContext<Declared>> {
  const own = plugin?.options ? resolveOptions(secretBus.info, plugin.options, plugin.name) : []
  const values = await valuesOf(secretBus, flags, own)
  const options = values[''] as PluginContext['options'] // as declared by secret-bus
  const context = contextOf(secretBus.info, options, plugin && values[plugin.name])
  return { ...context, own: context.own as OptionValues<Declared> } // as declared by the plugin
}

/** Converts flags to the values of the options of the service and its plugins. */
export function valuesOf(
  { resolved }: Pick<Service, 'resolved'>,
  flags: Flags,
  ofPlugins: readonly ResolvedOption[] = [],
): Promise<AllValues> {
  const options = [...resolved, ...ofPlugins]
  checkFlags(options)
  const known = new Set(options.map(({ flag, variable, variableOnly }) => (variableOnly ? variable : flag)))
  const unknown = Object.keys(flags).filter((flag) => !known.has(flag))
  if (unknown.length > 0) throw new UsageError(`Unknown option --${unknown.join(', --')}`)
  const present = Object.entries(flags).filter(([, value]) => [value].flat().length > 0)
  const texts = present.map(([flag, value]) => [flag, [value].flat().map(String)] as const)
  const environment = Object.fromEntries(texts.map(([flag, values]) => [flag, values.join(',')]))
  return readOptions(options, { commandLine: new Map(texts), environment })
}
