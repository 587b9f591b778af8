/** Subscribers that are loaded when the process starts, from the files that `--plugin` names. */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isPromise } from '../bus/call.ts'
import { event, request } from '../bus/channel.ts'
import { messageOf } from '../bus/errors.ts'
import { lifecycle } from '../bus/process/lifecycle.ts'
import type { Subscriber } from '../bus/process/process-bus.ts'
import * as channels from '../channels.ts'
import { UnusableFile } from '../errors.ts'
import { RequestError } from '../handlers/server/problem.ts'
import { SecretNotFound, Sensitive, SourceFailure } from '../secret.ts'
import type { Options } from './options/definitions.ts'

/** To make and to answer with: channels of its own, secrets, the ways in which a source fails, and a refusal of a request. */
const tools = { event, request, Sensitive, SecretNotFound, SourceFailure, RequestError }

/** What a plug-in is handed, so that it need import nothing. */
export type PluginContext = typeof tools & {
  readonly channels: typeof channels
  readonly lifecycle: typeof lifecycle
  readonly options: Options
}

/** What the file of a plug-in exports as its default. */
export type Plugin = (context: PluginContext) => Subscriber

export function pluginContext(options: Options): PluginContext {
  return { ...tools, channels, lifecycle, options }
}

/**
 * Loads the files. The bus knows each subscriber by the whole path of its file, which is no name of ours, and says where to look.
 * @throws UnusableFile, naming the file and the reason; so does a subscriber that fails when it is handed the bus
 */
export async function loadPlugins(options: Options): Promise<Record<string, Subscriber>> {
  const loaded = options.plugins.map(async (file) => [resolve(file), await loadPlugin(file, options)] as const)
  return Object.fromEntries(await Promise.all(loaded))
}

async function loadPlugin(file: string, options: Options): Promise<Subscriber> {
  const fail = (cause: unknown): never => {
    // Unlike other files, this one is no secret: its parse error may be quoted.
    const reason = cause instanceof SyntaxError ? cause.message : messageOf(cause)
    throw new UnusableFile(`--plugin ${file}: ${reason}`, { cause })
  }
  const subscriber = await subscriberIn(file, options).catch(fail)
  return (bus) => {
    try {
      const wired: unknown = subscriber(bus)
      if (!isPromise(wired)) return
      wired.then(undefined, () => {})
      throw new TypeError('what it returns is async, but all must be wired before anything starts')
    } catch (cause) {
      fail(cause)
    }
  }
}

async function subscriberIn(file: string, options: Options): Promise<Subscriber> {
  // Both are told more simply here.
  if ((await stat(file)).isDirectory()) throw new TypeError('it is a folder; name the file in it')
  const { default: plugin }: { default?: unknown } = await import(pathToFileURL(resolve(file)).href)
  if (typeof plugin !== 'function') throw new TypeError('its default export is not a function')
  const subscriber: unknown = await plugin(pluginContext(options))
  if (typeof subscriber !== 'function') throw new TypeError('its default export does not return a function')
  return subscriber as Subscriber // who wrote the file is to be believed
}
