/** Loads the plugins: subscribers from the files and packages of `--plugin`. */
import { stat } from 'node:fs/promises'
import { parse, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isPromise } from '../../bus/call.ts'
import { messageOf } from '../../bus/errors.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { namePattern } from '../../bus/process/service-info.ts'
import { codeOf, isInstance } from '../../bus/thrown.ts'
import { UnusableFile } from '../../errors.ts'
import { checkFlags, type Service } from '../define-service.ts'
import type { AllValues } from '../options/load.ts'
import { type ResolvedOption, resolveOptions } from '../options/option.ts'
import { isModulePath } from '../options/types.ts'
import { importPackage, shareInstance } from './module-imports.ts'
import { type PluginContext, pluginContext } from './plugin.ts'

/** An imported plugin, which has not been called yet. */
export interface ImportedPlugin {
  /** As given with `--plugin`. */
  readonly source: string
  /** Exported as `name`, or derived from the file or package. The bus, metrics and logs use it. */
  readonly name: string
  readonly options: readonly ResolvedOption[]
  readonly create: (context: PluginContext) => unknown
}

/**
 * Imports the plugins and validates what they declare.
 * @param onFailure what to do with a plugin that cannot be used; throws by default
 * @throws UnusableFile with the plugin and the reason
 */
export async function importPlugins(
  sources: readonly string[],
  service: Pick<Service, 'info' | 'resolved'>,
  onFailure: (error: UnusableFile) => void = (error) => {
    throw error
  },
): Promise<ImportedPlugin[]> {
  if (sources.length > 0) shareInstance()
  const plugins: ImportedPlugin[] = []
  for (const source of sources) {
    try {
      const plugin = await importPlugin(source, service)
      const other = plugins.find(({ name }) => name === plugin.name)
      if (other) throw new TypeError(`its name ${plugin.name} is also that of --plugin ${other.source}`)
      checkFlags([...service.resolved, ...plugins.flatMap(({ options }) => options), ...plugin.options])
      plugins.push(plugin)
    } catch (cause) {
      onFailure(unusable(source, cause))
    }
  }
  return plugins
}

/**
 * Calls the plugins, and returns their subscribers by name.
 * @throws UnusableFile with the plugin and the reason; the returned subscribers throw it too
 */
export async function createPlugins(
  plugins: readonly ImportedPlugin[],
  service: Pick<Service, 'info'>,
  values: AllValues,
): Promise<Record<string, Subscriber>> {
  const created = plugins.map(async (plugin) => {
    const { source, name, create } = plugin
    try {
      // The plugin declares which service it is for, which cannot be checked at run time.
      const context = pluginContext(service.info, values[''], values[name]) as PluginContext
      const subscriber: unknown = await create(context)
      if (typeof subscriber !== 'function') throw new TypeError('The default export must return a function')
      return [name, checked(source, subscriber as Subscriber)] as const // its parameters cannot be checked either
    } catch (cause) {
      throw unusable(source, cause)
    }
  })
  return Object.fromEntries(await Promise.all(created))
}

function checked(source: string, subscriber: Subscriber): Subscriber {
  return (bus) => {
    try {
      const result: unknown = subscriber(bus)
      if (!isPromise(result)) return
      result.then(undefined, () => {})
      throw new TypeError('The subscriber must be synchronous, but returned a promise')
    } catch (cause) {
      throw unusable(source, cause)
    }
  }
}

function unusable(source: string, cause: unknown): UnusableFile {
  // Unlike the files of other options, a plugin contains no secrets, so its parse error may be quoted.
  const reason = isInstance(cause, SyntaxError) ? cause.message : messageOf(cause)
  return new UnusableFile(`--plugin ${source}: ${reason}`, { cause })
}

interface PluginModule {
  readonly default?: unknown
  readonly name?: unknown
  readonly options?: unknown
}

async function importPlugin(source: string, { info }: Pick<Service, 'info'>): Promise<ImportedPlugin> {
  const { default: create, name = nameOf(source), options = {} } = await importModule(source)
  if (typeof create !== 'function') throw new TypeError('The default export must be a function')
  if (typeof name !== 'string' || !namePattern.test(name))
    throw new TypeError(
      `name must be words of a to z and 0 to 9 joined by dashes, received ${JSON.stringify(name)}; export const name = '...'`,
    )
  return {
    source,
    name,
    options: resolveOptions(info, options as Parameters<typeof resolveOptions>[1], name), // validated there
    create: create as ImportedPlugin['create'], // its parameters cannot be checked at run time
  }
}

/** The stem of the file, or the package name without its scope, with other characters replaced by dashes. */
function nameOf(source: string): string {
  return parse(source)
    .name.toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[^a-z]+|-+$/g, '')
}

/** A package name, see https://docs.npmjs.com/cli/v11/configuring-npm/package-json#name, and optionally a subpath. */
const packageName = /^(@[\w.~-]+\/)?[a-z\d~-][\w.~-]*(\/[\w./~-]+)?$/

async function importModule(source: string): Promise<PluginModule> {
  // The errors of `stat` for a missing file and of these checks are clearer than those of `import`.
  const stats = await stat(source).catch((error) => {
    if (codeOf(error) === 'ENOENT' && packageName.test(source) && !isModulePath(source)) return undefined
    throw error
  })
  if (!stats) {
    return importPackage(source).catch((error) => {
      const isMissing = codeOf(error) === 'ERR_MODULE_NOT_FOUND' && messageOf(error).includes(`'${source}'`)
      throw isMissing ? new TypeError('Neither a file nor an installed package has this name') : error
    })
  }
  if (stats.isDirectory()) throw new TypeError('Expected a file or a package, received a directory')
  // Node.js reads modules synchronously, and could wait forever for the writer of a pipe.
  if (!stats.isFile()) throw new TypeError('Expected a regular file')
  return import(pathToFileURL(resolve(source)).href)
}
