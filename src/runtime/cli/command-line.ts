/** Parses the command line and prints its help. The values of options are validated in `options/load.ts`. */
import type { Options as YargsOptions } from 'yargs'
import type { TopologyFormat } from '../../bus/topology/formats.ts'
import { UsageError } from '../../errors.ts'
import { type Definition, everyOption } from '../options/definitions.ts'
import { nearest } from '../options/nearest.ts'
import { valuesOf } from '../options/parse.ts'
import { flag, topologyFormat } from '../options/types.ts'

const epilogue = `Options can also be set by environment variable (SECRET_BUS_CACHE_TTL=10m) or in the JSON file of --config \
({"cache-ttl": "10m"}). Precedence: command line, environment, file. In a variable, commas separate the values of a \
repeatable option. Durations: 500ms, 5s, 10m, 1h, 2d.

AWS credentials come from the default provider chain of the AWS SDK.`

/** The unparsed values of each flag, without its leading dashes, in the order given. */
export type Written = ReadonlyMap<string, readonly string[]>

/** The commands and their help. `serve` is the default. */
const commands = {
  serve: 'Serve secrets over HTTP',
  healthcheck: 'Check whether the service on this host is healthy',
  channels: 'Print the bus topology without starting the service',
}

export type Command = keyof typeof commands

export interface CommandLine {
  readonly command: Command
  /** Output format of `channels`. */
  readonly format: TopologyFormat
  /** The channels that `channels` prints, all if empty; a trailing `*` matches any ending. */
  readonly channels: readonly string[]
  readonly written: Written
}

/**
 * Parses the arguments. For `--help`, `--version` and `completion`, yargs prints the output and exits.
 * @param columns the width of the terminal, if there is one
 * @throws UsageError if an argument is unknown or an option has no value
 */
export async function readCommandLine(
  args: readonly string[],
  version: string,
  columns?: number,
): Promise<CommandLine> {
  // The usual case in a container, where options are environment variables. It does not need yargs.
  if (args.length === 0) return { command: 'serve', format: 'table', channels: [], written: new Map() }
  const {
    _: words,
    $0: _name,
    names,
    format: formats = [],
    ...flags
  } = await (await parser(withFlagValues(args), version, columns)).parseAsync()
  const [command = 'serve', ...others] = words.map(String)
  // yargs does not check the arguments after `--` or after a command.
  const unknown = isCommand(command) ? others : [command, ...others]
  if (!isCommand(command) || unknown.length > 0) throw unusable(`Unknown argument: ${unknown.join(', ')}`, args)
  const written = new Map(Object.entries(flags).map(([flag, value]) => [flag, [value].flat().map(String)]))
  const [format = 'table'] = valuesOf('--format', { type: topologyFormat }, [formats].flat().map(String))
  return { command, format, channels: [names ?? []].flat().map(String), written }
}

/** Adds `=true` to flags without a value. Otherwise yargs would parse a following command as the value. */
function withFlagValues(args: readonly string[]): string[] {
  const flags = everyOption.filter(({ definition }) => definition.type === flag).map((option) => `--${option.flag}`)
  const isBare = (arg: string, next = '') => flags.includes(arg) && flag.parse(next) === undefined
  return args.map((arg, index) => (isBare(arg, args[index + 1]) ? `${arg}=true` : arg))
}

function isCommand(word: string): word is Command {
  return Object.hasOwn(commands, word)
}

async function parser(args: readonly string[], version: string, columns = 80) {
  const { default: yargs } = await import('yargs')
  const command = yargs(args)
    .scriptName('secret-bus')
    .locale('en')
    .usage('$0 [command] [options]\n\nServes secrets from DynamoDB over HTTP.')
    .command(['serve', '$0'], commands.serve)
    .command('healthcheck', commands.healthcheck)
    .command('channels [names..]', commands.channels, (channels) =>
      channels
        .positional('names', {
          describe: 'Channels to print; secret.* matches a prefix',
          defaultDescription: 'all',
        })
        .option('format', {
          describe: `Output format, ${topologyFormat.allowed}`,
          nargs: 1,
          defaultDescription: 'table',
        }),
    )
    .completion('completion', 'Print a completion script for bash or zsh')
  for (const { flag, definition } of everyOption) command.option(flag, yargsOption(definition))
  return command
    .help()
    .alias('help', 'h')
    .version(version)
    .epilogue(epilogue)
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
      throw unusable(message || error.message, args)
    })
}

/** Declares no types to yargs: `options/load.ts` validates the values of all sources. */
function yargsOption({ group, describe, type, default: byDefault }: Definition): YargsOptions {
  if (type === flag) return { group, describe }
  return { group, describe, nargs: 1, ...(byDefault !== undefined && { defaultDescription: byDefault }) }
}

/** Converts a message of yargs to one line in the wording of the other errors, with suggestions. */
function unusable(message: string, args: readonly string[]): UsageError {
  const line = message
    .replaceAll(/\s+/g, ' ')
    .replace(/^Not enough arguments following: (.*)$/, '--$1 requires a value')
  const [, unknown = ''] = /^Unknown arguments?: (.*)$/.exec(line) ?? []
  const meant = unknown.split(', ').flatMap((name) => suggestion(name, args) ?? [])
  return new UsageError(meant.length === 0 ? line : `${line}; did you mean ${meant.join(', ')}?`)
}

/** @param name a flag without its dashes, or a word */
function suggestion(name: string, args: readonly string[]): string | undefined {
  const isFlag = args.some((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`))
  const known = isFlag ? everyOption.map(({ flag }) => flag) : Object.keys(commands)
  const meant = nearest(name, known)
  return isFlag && meant !== undefined ? `--${meant}` : meant
}
