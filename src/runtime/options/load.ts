/** Loads the options from the command line, environment variables, a file and the defaults. */
import { UnusableFile, UsageError } from '../../errors.ts'
import { Sensitive } from '../../secret.ts'
import type { Written } from '../cli/command-line.ts'
import { type Definition, definitions, everyOption, type Options } from './definitions.ts'
import { readOptionFile } from './files.ts'
import { valuesOf } from './parse.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** A source of option values. */
interface Source {
  readonly written: Written
  /** The name of an option in error messages. */
  readonly label: (flag: string) => string
}

/** All options except `--config` itself. */
const inFile = everyOption.filter(({ definition }) => definition !== definitions.config)

/**
 * The command line takes precedence over environment variables, and those over the file of `--config`.
 * @throws UsageError if an option is unknown, invalid, or in conflict with another; UnusableFile if the file is missing
 *   or invalid
 */
export async function readOptions(commandLine: Written, environment: Environment): Promise<Options> {
  const line: Source = { written: commandLine, label: (flag) => `--${flag}` }
  const variables: Source = { written: fromVariables(environment), label: variableOf }
  const file = resolveOption('config', definitions.config, [line, variables])
  const sources = [line, variables, ...(file === undefined ? [] : [await fromFile(String(file))]), defaults]
  const values = inFile.map(({ name, flag, definition }) => [name, resolveOption(flag, definition, sources)])
  const authToken = environment['SECRET_BUS_AUTH_TOKEN']
  const options: Options = {
    ...Object.fromEntries(values),
    authToken: authToken ? new Sensitive(authToken) : undefined,
    awsRegion: environment['AWS_REGION'] || undefined,
    ecsMetadataUri: environment['ECS_CONTAINER_METADATA_URI_V4'] || undefined,
  }
  checkCombinations(options)
  return options
}

/** Validates options that depend on each other. */
function checkCombinations({ authTokenFile, authToken, tlsCert, tlsKey }: Options): void {
  if (authTokenFile && authToken)
    throw new UsageError('--auth-token-file and SECRET_BUS_AUTH_TOKEN are mutually exclusive')
  if (tlsCert && !tlsKey) throw new UsageError('--tls-cert requires --tls-key')
  if (tlsKey && !tlsCert) throw new UsageError('--tls-key requires --tls-cert')
}

function resolveOption(flag: string, definition: Definition, sources: Source[]): unknown {
  const { repeatable } = definition
  for (const { written, label } of sources) {
    const texts = written.get(flag)
    if (!texts) continue
    const values = valuesOf(label(flag), definition, texts)
    return repeatable ? [...new Set(values)] : values[0]
  }
  return repeatable ? [] : undefined
}

function variableOf(flag: string): string {
  return `SECRET_BUS_${flag.toUpperCase().replaceAll('-', '_')}`
}

/**
 * An empty variable counts as unset. Unknown variables with our prefix are ignored, because container platforms set
 * some, such as `SECRET_BUS_PORT_5000_TCP`.
 */
function fromVariables(environment: Environment): Written {
  const written = new Map<string, string[]>()
  for (const { flag, definition } of everyOption) {
    const text = environment[variableOf(flag)]
    if (text) written.set(flag, definition.repeatable ? text.split(',').map((part) => part.trim()) : [text])
  }
  return written
}

async function fromFile(file: string): Promise<Source> {
  const label = (flag: string) => `${JSON.stringify(flag)} in ${file}`
  const flags = new Set(inFile.map(({ flag }) => flag))
  const written = new Map<string, string[]>()
  for (const [flag, value] of Object.entries(await readObject(file))) {
    if (!flags.has(flag)) throw new UsageError(`Unknown option ${label(flag)}`)
    const items: unknown[] = Array.isArray(value) ? value : [value]
    if (items.some((item) => typeof item === 'object'))
      throw new UsageError(`${label(flag)} must be a string, a number or a boolean`)
    if (items.length > 0) written.set(flag, items.map(String))
  }
  return { written, label }
}

async function readObject(file: string): Promise<object> {
  const text = await readOptionFile('--config', file)
  const value = parse(text.toString())
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new UnusableFile(`--config ${file} must contain a JSON object`)
}

/** Returns `undefined` for invalid JSON. The parse error is dropped, because it quotes the file. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const defaults: Source = {
  written: new Map(
    inFile.flatMap(({ flag, definition }) => (definition.default === undefined ? [] : [[flag, [definition.default]]])),
  ),
  label: (flag) => `the default of --${flag}`,
}
