/** The command line: what it may hold, its help, and what it holds. What the values mean is in `options.ts`. */
import type { Options as YargsOptions } from 'yargs'
import type { TopologyFormat } from '../../bus/topology/formats.ts'
import { UsageError } from '../../errors.ts'
import { type Definition, everyOption } from '../options/definitions.ts'
import { valuesOf } from '../options/parse.ts'
import { flag, topologyFormat } from '../options/types.ts'

const epilogue = `Each option can also be a variable (SECRET_BUS_CACHE_TTL=10m; a repeatable one
splits at commas) or stand in the JSON file of --config ({"cache-ttl": "10m"}).
The command line goes first, then variables, then the file.
Times are written 500ms, 5s, 10m, 1h. Credentials are found by the AWS SDK.`

/** What was written for each flag, without its dashes, in the order written. */
export type Written = ReadonlyMap<string, readonly string[]>

/** What the program can be told to do, and what that is. The first is what it does when not told. */
const commands = {
  serve: 'Serve secrets over HTTP',
  healthcheck: 'Ask the service on this host whether it is alive',
  channels: 'Show who is wired to whom, without starting anything',
}

export type Command = keyof typeof commands

export interface CommandLine {
  readonly command: Command
  /** How `channels` shows them. */
  readonly format: TopologyFormat
  /** Those that `channels` shows; none stands for all. A `*` at the end stands for any ending. */
  readonly channels: readonly string[]
  readonly written: Written
}

/**
 * Reads the arguments. Where help, the version or a completion script is asked for, yargs prints it and ends the process.
 * @throws UsageError for what is no option, no command, or lacks its value
 */
export async function readCommandLine(args: readonly string[], version: string): Promise<CommandLine> {
  // As in a container, where options are variables: what reads a command line need not be loaded.
  if (args.length === 0) return { command: 'serve', format: 'table', channels: [], written: new Map() }
  const {
    _: words,
    $0: _name,
    names,
    format: formats = [],
    ...flags
  } = await (await parser(outright(args), version)).parseAsync()
  const [command = 'serve', ...others] = words.map(String)
  // What follows `--` is not looked at by yargs, nor is what follows a command.
  const unknown = isCommand(command) ? others : [command, ...others]
  if (!isCommand(command) || unknown.length > 0) throw new UsageError(clear(`unknown argument: ${unknown.join(', ')}`))
  const written = new Map(Object.entries(flags).map(([flag, value]) => [flag, [value].flat().map(String)]))
  const [format = 'table'] = valuesOf('--format', { type: topologyFormat }, [formats].flat().map(String))
  return { command, format, channels: [names ?? []].flat().map(String), written }
}

/** A flag without a value is true. yargs would take a command that follows for its value. */
function outright(args: readonly string[]): string[] {
  const flags = everyOption.filter(({ definition }) => definition.type === flag).map((option) => `--${option.flag}`)
  const isBare = (arg: string, next = '') => flags.includes(arg) && next !== 'true' && next !== 'false'
  return args.map((arg, index) => (isBare(arg, args[index + 1]) ? `${arg}=true` : arg))
}

function isCommand(word: string): word is Command {
  return Object.hasOwn(commands, word)
}

async function parser(args: readonly string[], version: string) {
  const { default: yargs } = await import('yargs')
  const command = yargs(args)
    .scriptName('secret-bus')
    .locale('en')
    .usage('$0 [command] [options]\n\nHands out a secret kept in DynamoDB over HTTP.')
    .command(['serve', '$0'], commands.serve)
    .command('healthcheck', commands.healthcheck)
    .command('channels [names..]', commands.channels, (channels) =>
      channels
        .positional('names', {
          describe: 'These alone; secret.* stands for all that begin so',
          defaultDescription: 'all',
        })
        .option('format', { describe: `As ${topologyFormat.allowed}`, nargs: 1, defaultDescription: 'table' }),
    )
    .completion('completion', 'Print a completion script for bash or zsh')
  for (const { flag, definition } of everyOption) command.option(flag, shape(definition))
  return command
    .help()
    .alias('help', 'h')
    .version(version)
    .epilogue(epilogue)
    .wrap(80)
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
      throw new UsageError(clear(message || error.message))
    })
}

/** No types are told to yargs: values are checked in one place, for variables and the file too. */
function shape({ group, describe, type, default: byDefault }: Definition): YargsOptions {
  if (type === flag) return { group, describe }
  return { group, describe, nargs: 1, ...(byDefault !== undefined && { defaultDescription: byDefault }) }
}

/** What yargs says, in the words of our other messages, and in one line. */
function clear(message: string): string {
  return message
    .replaceAll(/\s+/g, ' ')
    .replace(/^Not enough arguments following: (.*)$/, '--$1 needs a value')
    .replace(/^Unknown argument/, 'unknown argument')
}
