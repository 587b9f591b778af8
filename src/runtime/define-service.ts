/** Defines a service: its name, its options and its subscribers. `run` runs it. */
import type { Subscriber } from '../bus/process/process-bus.ts'
import { type Manifest, namePattern, type ServiceInfo, serviceInfo } from '../bus/process/service-info.ts'
import { type CoreOptions, coreOptions, reservedFlags } from './options/core-options.ts'
import {
  checkUnique,
  type OptionRecord,
  type OptionValues,
  type ResolvedOption,
  resolveOptions,
} from './options/option.ts'

/** The values of the service's own options and of those that every service has. */
export type ServiceOptions<Declared extends OptionRecord> = OptionValues<Declared> & CoreOptions

/** What a definition may need apart from its options. */
export interface ServiceContext {
  readonly service: ServiceInfo
  /** The environment variables, for those that belong to other programs, such as `HTTPS_PROXY`. */
  readonly environment: NodeJS.ProcessEnv
}

/** A command in addition to `serve`, `healthcheck` and `channels`. */
export interface Command {
  /** Its arguments in the notation of yargs: `<name>` is required, `[name]` is optional. */
  readonly args?: string
  /** Text in the help. */
  readonly describe: string
  /** Returns the exit code. */
  readonly run: (args: readonly string[], process: NodeJS.Process) => Promise<number>
}

export interface ServiceDefinition<Declared extends OptionRecord> extends Manifest {
  /** Options by name, in the order of the help. */
  readonly options: Declared
  /**
   * Returns the subscribers by name, in start order. Import their modules here rather than at the top of the file, so
   * that `--help` and `healthcheck` do not load them.
   */
  readonly subscribers: (
    options: ServiceOptions<Declared>,
    context: ServiceContext,
  ) => Readonly<Record<string, Subscriber>> | Promise<Readonly<Record<string, Subscriber>>>
  /** Commands by name. */
  readonly commands?: Readonly<Record<string, Command>>
  /** The last paragraph of the help. */
  readonly epilogue?: string
}

export interface Service<Declared extends OptionRecord = OptionRecord> extends ServiceDefinition<Declared> {
  /** The names derived from `name`. */
  readonly info: ServiceInfo
  /** The service's own options, followed by those of every service. */
  readonly resolved: readonly ResolvedOption[]
}

/** @throws TypeError if the name or an option is invalid, or an option has the name or flag of one of every service */
export function defineService<const Declared extends OptionRecord>(
  definition: ServiceDefinition<Declared>,
): Service<Declared> {
  const { name, version, description, license, homepage, container, options, subscribers } = definition
  const info = serviceInfo({ name, version, description, license, homepage, container })
  if (typeof subscribers !== 'function')
    throw new TypeError(`subscribers must be a function, received ${typeof subscribers}`)
  checkCommands(definition.commands)
  const own = resolveOptions(info, options)
  const core = resolveOptions(info, coreOptions)
  const taken = own.find(({ name }) => Object.hasOwn(coreOptions, name))
  if (taken) throw new TypeError(`option ${taken.name} must not have the name of an option that every service has`)
  checkFlags([...core, ...own]) // in this order, so that a duplicate is reported for the own option
  return { ...definition, info, resolved: [...own, ...core] }
}

/** The commands of every service and their help. `serve` is the default. */
export const coreCommands = {
  serve: 'Run the service',
  healthcheck: 'Check whether the service on this host is healthy',
  channels: 'Print the bus topology without starting the service',
  completion: 'Print a completion script for bash or zsh',
}

/** @throws TypeError if a command is invalid, or has the name of one of every service */
function checkCommands(commands: Readonly<Record<string, Command>> = {}): void {
  for (const [name, command] of Object.entries(commands)) {
    if (!namePattern.test(name) || Object.hasOwn(coreCommands, name))
      throw new TypeError(
        `command ${name} must be words joined by dashes, other than ${Object.keys(coreCommands).join(', ')}`,
      )
    if (typeof command?.run !== 'function' || typeof command.describe !== 'string')
      throw new TypeError(`command ${name} must have a text describe and a function run`)
  }
}

/** @throws TypeError if two options share a flag or a variable, or a flag belongs to the command line */
export function checkFlags(options: readonly ResolvedOption[]): void {
  const reserved = options.find(({ flag, variableOnly }) => !variableOnly && reservedFlags.has(flag))
  if (reserved) throw new TypeError(`option ${reserved.name} must not use --${reserved.flag}, which is reserved`)
  checkUnique(options)
}
