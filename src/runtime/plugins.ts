/** Loads the plugins: subscribers from the files of `--plugin`. */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isPromise } from '../bus/call.ts'
import { event, request } from '../bus/channel.ts'
import { messageOf } from '../bus/errors.ts'
import { lifecycle } from '../bus/process/lifecycle.ts'
import type { Subscriber } from '../bus/process/process-bus.ts'
import { isInstance } from '../bus/thrown.ts'
import * as channels from '../channels.ts'
import { UnusableFile } from '../errors.ts'
import { RequestError } from '../handlers/server/problem.ts'
import { SecretNotFound, Sensitive, SourceFailure } from '../secret.ts'
import type { Options } from './options/definitions.ts'

/** Functions and classes for plugins. */
const tools = { event, request, Sensitive, SecretNotFound, SourceFailure, RequestError }

/** The argument of a plugin. It contains everything that a plugin needs, so that its file needs no imports. */
export type PluginContext = typeof tools & {
  readonly channels: typeof channels
  readonly lifecycle: typeof lifecycle
  readonly options: Options
}

/** The default export of a plugin file. */
export type Plugin = (context: PluginContext) => Subscriber

export function pluginContext(options: Options): PluginContext {
  return { ...tools, channels, lifecycle, options }
}

/**
 * Imports the plugin files. The name of each subscriber is the absolute path of its file: it cannot collide with a
 * built-in subscriber, and logs and errors show where to look.
 * @throws UnusableFile with the file and the reason; the returned subscribers throw it too
 */
export async function loadPlugins(options: Options): Promise<Record<string, Subscriber>> {
  const loaded = options.plugins.map(async (file) => [resolve(file), await loadPlugin(file, options)] as const)
  return Object.fromEntries(await Promise.all(loaded))
}

async function loadPlugin(file: string, options: Options): Promise<Subscriber> {
  const fail = (cause: unknown): never => {
    // Unlike the files of other options, a plugin contains no secrets, so its parse error may be quoted.
    const reason = isInstance(cause, SyntaxError) ? cause.message : messageOf(cause)
    throw new UnusableFile(`--plugin ${file}: ${reason}`, { cause })
  }
  const subscriber = await importSubscriber(file, options).catch(fail)
  return (bus) => {
    try {
      const result: unknown = subscriber(bus)
      if (!isPromise(result)) return
      result.then(undefined, () => {})
      throw new TypeError('The subscriber must be synchronous, but returned a promise')
    } catch (cause) {
      fail(cause)
    }
  }
}

async function importSubscriber(file: string, options: Options): Promise<Subscriber> {
  // The errors of `stat` for a missing file and of this check are clearer than those of `import`.
  const stats = await stat(file)
  if (stats.isDirectory()) throw new TypeError('Expected a file, received a directory')
  // Node.js reads modules synchronously, and could wait forever for the writer of a pipe.
  if (!stats.isFile()) throw new TypeError('Expected a regular file')
  const { default: plugin }: { default?: unknown } = await import(pathToFileURL(resolve(file)).href)
  if (typeof plugin !== 'function') throw new TypeError('The default export must be a function')
  const subscriber: unknown = await plugin(pluginContext(options))
  if (typeof subscriber !== 'function') throw new TypeError('The default export must return a function')
  return subscriber as Subscriber // its parameters cannot be checked at run time
}
