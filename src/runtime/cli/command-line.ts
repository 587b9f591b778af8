/** Parses the command line and prints its help. The values of options are validated in `options/load.ts`. */
import type { Options as YargsOptions } from 'yargs'
import type { TopologyFormat } from '../../bus/topology/formats.ts'
import { UsageError } from '../../errors.ts'
import { type Command, coreCommands, type Service } from '../define-service.ts'
import { nearest } from '../options/nearest.ts'
import type { ResolvedOption } from '../options/option.ts'
import { valuesOf } from '../options/parse.ts'
import type { Written } from '../options/source.ts'
import { flag, topologyFormat } from '../options/types.ts'

export interface CommandLine {
  /** A built-in command, or one of the service. */
  readonly command: string
  /** Output format of `channels`. */
  readonly format: TopologyFormat
  /** The arguments of the command: the channels to print, or those that a command of the service declares. */
  readonly args: readonly string[]
  readonly written: Written
}

const channelsArguments = '[names..]'

/** What the parser needs to know of a service. */
export interface CommandLineSyntax extends Pick<Service, 'info' | 'epilogue' | 'commands'> {
  /** All options, including those of plugins. */
  readonly options: readonly ResolvedOption[]
  /** The width of the terminal, if there is one. */
  readonly columns?: number | undefined
}

/**
 * Parses the arguments. For `--help`, `--version` and `completion`, yargs prints the output and exits.
 * @throws UsageError if an argument is unknown or an option has no value
 */
export async function readCommandLine(args: readonly string[], syntax: CommandLineSyntax): Promise<CommandLine> {
  const options = onCommandLine(syntax.options)
  const withValues = withFlagValues(args, options)
  const flags = readFlags(withValues, options)
  if (flags) return { command: 'serve', format: 'table', args: [], written: flags }
  const parsed = await (await parser(withValues, options, syntax)).parseAsync()
  const { _: words, $0: _name, format: formats = [], ...named } = parsed
  const commands = { ...coreCommands, ...syntax.commands }
  const [command = 'serve', ...others] = words.map(String)
  // yargs does not check the arguments after `--` or after a command.
  const isKnown = Object.hasOwn(commands, command)
  const unknown = isKnown ? others : [command, ...others]
  if (unknown.length > 0) throw unusable(`Unknown argument: ${unknown.join(', ')}`, args, options, commands)
  const positional = positionalsOf(command, syntax)
  const texts = Object.entries(named).map(([name, value]) => [name, [value].flat().map(String)] as const)
  const written = new Map(texts.filter(([name]) => !positional.includes(name)))
  const given = positional.flatMap((name) => named[name] ?? []).map(String)
  const [format = 'table'] = valuesOf('--format', { type: topologyFormat }, [formats].flat().map(String))
  return { command, format, args: given, written }
}

const flagNotation = /^--([^=]+)(?:=(.*))?$/s

/**
 * Reads arguments that are only known flags with values, as those of nearly every start: loading yargs would take a
 * fifth of it. Returns undefined for any others.
 */
function readFlags(args: readonly string[], options: readonly ResolvedOption[]): Written | undefined {
  const types = new Map(options.map(({ flag: name, type }) => [name, type]))
  const written = new Map<string, string[]>()
  for (let index = 0; index < args.length; index += 1) {
    const [, name = '', inline] = flagNotation.exec(args[index] ?? '') ?? []
    if (inline === undefined) index += 1
    const value = inline ?? args[index]
    const type = types.get(name)
    if (type === undefined || value === undefined || (inline === undefined && value.startsWith('-'))) return undefined
    if (type === flag && flag.parse(value) === undefined) return undefined
    written.set(name, [...(written.get(name) ?? []), value])
  }
  return written
}

/** The names of the arguments of a command, in its notation: `<name>`, `[name]`, `[names..]`. */
function positionalsOf(command: string, { commands = {} }: CommandLineSyntax): string[] {
  const notation = command === 'channels' ? channelsArguments : (commands[command]?.args ?? '')
  return Array.from(notation.matchAll(/[\w-]+/g), ([name]) => name)
}

/** What can be read before the plugins are known. */
export interface Preview {
  /** The first argument that is neither a flag nor the value of one. */
  readonly command: string
  /** Whether the help or the completion is printed. */
  readonly isHelp: boolean
  readonly written: Written
}

/**
 * Reads the command and the flags of known options, up to `--`. A flag of a plugin, which is unknown here, is assumed to
 * have a value, unless it contains `=` or another flag follows.
 */
export function previewCommandLine(args: readonly string[], all: readonly ResolvedOption[]): Preview {
  const options = onCommandLine(all)
  const byFlag = new Map(options.map((option) => [option.flag, option]))
  const written = new Map<string, string[]>()
  const words: string[] = []
  const end = args.indexOf('--')
  const flags = end === -1 ? args : args.slice(0, end)
  const pending = withFlagValues(flags, options)
  for (let index = 0; index < pending.length; index += 1) {
    const [, name, inline] = flagNotation.exec(pending[index] ?? '') ?? []
    if (name === undefined) {
      if (!pending[index]?.startsWith('-')) words.push(pending[index] ?? '')
      continue
    }
    if (helpFlags.has(`--${name}`)) continue
    const next = pending[index + 1]
    const isBare = inline === undefined && !byFlag.has(name) && next?.startsWith('--')
    if (inline === undefined && !isBare) index += 1
    const value = inline ?? next
    if (byFlag.has(name) && value !== undefined) written.set(name, [...(written.get(name) ?? []), value])
  }
  const [command = 'serve'] = words
  return { command, isHelp: command === 'completion' || flags.some((arg) => helpFlags.has(arg)), written }
}

const helpFlags: ReadonlySet<string> = new Set(['--help', '-h', '--version', '--get-yargs-completions'])

function onCommandLine(options: readonly ResolvedOption[]): ResolvedOption[] {
  return options.filter(({ variableOnly }) => !variableOnly)
}

/** Adds `=true` to flags without a value. Otherwise yargs would parse a following command as the value. */
function withFlagValues(args: readonly string[], options: readonly ResolvedOption[]): string[] {
  const flags = options.filter(({ type }) => type === flag).map((option) => `--${option.flag}`)
  const isBare = (arg: string, next = '') => flags.includes(arg) && flag.parse(next) === undefined
  return args.map((arg, index) => (isBare(arg, args[index + 1]) ? `${arg}=true` : arg))
}

async function parser(args: readonly string[], options: readonly ResolvedOption[], syntax: CommandLineSyntax) {
  const { info, columns = 80, commands = {} } = syntax
  const { default: yargs } = await import('yargs')
  const command = yargs(args)
    .scriptName(info.name)
    .locale('en')
    .usage(`$0 [command] [options]${info.description ? `\n\n${info.description}.` : ''}`)
    .command(['serve', '$0'], coreCommands.serve)
    .command('healthcheck', coreCommands.healthcheck)
    .command(`channels ${channelsArguments}`, coreCommands.channels, (channels) =>
      channels
        .positional('names', {
          describe: 'Channels to print; http.* matches a prefix',
          defaultDescription: 'all',
        })
        .option('format', {
          describe: `Output format, ${topologyFormat.allowed}`,
          nargs: 1,
          defaultDescription: 'table',
        }),
    )
  for (const [name, { args = '', describe }] of Object.entries(commands))
    command.command(`${name} ${args}`.trim(), describe)
  command.completion('completion', coreCommands.completion)
  for (const option of options) command.option(option.flag, yargsOption(option))
  return command
    .help()
    .alias('help', 'h')
    .version(info.version)
    .epilogue(epilogueOf(syntax))
    .wrap(Math.min(Math.max(columns, 60), 120))
    .strict()
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'strip-aliased': true,
    })
    .fail((message, error) => {
      throw unusable(message || error.message, args, options, { ...coreCommands, ...commands })
    })
}

function epilogueOf({ info, epilogue, options }: CommandLineSyntax): string {
  const example = options.find(({ flag }) => flag === 'log-level') ?? options[0]
  const usage = `Options can also be set by environment variable (${example?.variable}=debug) or in the JSON file of --config \
({"${example?.flag}": "debug"}). Precedence: command line, environment, file. In a variable, commas separate the values of a \
repeatable option. Durations: 500ms, 5s, 10m, 1h, 2d.`
  const secrets = options.filter(
    ({ variableOnly, owner, variable }) => variableOnly && (owner !== '' || variable.startsWith(info.variablePrefix)),
  )
  const variables = secrets.map(({ variable, describe }) => `${variable}: ${describe}`)
  const only = variables.length === 0 ? [] : [`Environment variables without a flag:\n${variables.join('\n')}`]
  return [usage, ...only, ...(epilogue === undefined ? [] : [epilogue])].join('\n\n')
}

/** Declares no types to yargs: `options/load.ts` validates the values of all sources. */
function yargsOption({ group, describe, type, default: byDefault }: ResolvedOption): YargsOptions {
  const described = { group, describe, ...(byDefault !== undefined && { defaultDescription: byDefault }) }
  if (type !== flag) return { ...described, nargs: 1 }
  return byDefault === 'false' ? { group, describe } : described
}

/** Converts a message of yargs to one line in the wording of the other errors, with suggestions. */
function unusable(
  message: string,
  args: readonly string[],
  options: readonly ResolvedOption[],
  commands: Readonly<Record<string, string | Command>>,
): UsageError {
  const line = message
    .replaceAll(/\s+/g, ' ')
    .replace(/^Not enough arguments following: (.*)$/, '--$1 requires a value')
    .replace(/^Not enough non-option arguments: .*$/, () => missingArgument(args, commands))
  const [, unknown = ''] = /^Unknown arguments?: (.*)$/.exec(line) ?? []
  const meant = unknown.split(', ').flatMap((name) => {
    const isFlag = args.some((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`))
    const found = nearest(name, isFlag ? options.map(({ flag }) => flag) : Object.keys(commands))
    return found === undefined ? [] : [isFlag ? `--${found}` : found]
  })
  return new UsageError(meant.length === 0 ? line : `${line}; did you mean ${meant.join(', ')}?`)
}

/** The message for a command without a required argument. */
function missingArgument(args: readonly string[], commands: Readonly<Record<string, string | Command>>): string {
  const name = args.find((arg) => Object.hasOwn(commands, arg)) ?? ''
  const command = commands[name]
  return `${name} requires ${(typeof command === 'object' && command.args) || 'an argument'}`
}
