/** The options of this run, gathered from where they may stand: command line, variables, file, and defaults. */

import { UnusableFile, UsageError } from '../../errors.ts'
import { Sensitive } from '../../secret.ts'
import type { Written } from '../cli/command-line.ts'
import { type Definition, definitions, everyOption, type Options } from './definitions.ts'
import { readOptionFile } from './files.ts'
import { valuesOf } from './parse.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** A place where options are written, and how it calls each. */
interface Place {
  readonly written: Written
  readonly label: (flag: string) => string
}

/** All but the file itself. */
const inFile = everyOption.filter(({ definition }) => definition !== definitions.config)

/**
 * The first place that has an option decides: the command line, then the environment, then the file of `--config`.
 * @throws UsageError naming the option, what was given and what is allowed; UnusableFile for the file
 */
export async function readOptions(commandLine: Written, environment: Environment): Promise<Options> {
  const line: Place = { written: commandLine, label: (flag) => `--${flag}` }
  const variables: Place = { written: fromVariables(environment), label: variableOf }
  const file = chosen('config', definitions.config, [line, variables])
  const places = [line, variables, ...(file === undefined ? [] : [await fromFile(String(file))]), defaults]
  const values = inFile.map(({ name, flag, definition }) => [name, chosen(flag, definition, places)])
  const authToken = environment['SECRET_BUS_AUTH_TOKEN']
  const options: Options = {
    ...Object.fromEntries(values),
    authToken: authToken ? new Sensitive(authToken) : undefined,
    awsRegion: environment['AWS_REGION'] || undefined,
    ecsMetadataUri: environment['ECS_CONTAINER_METADATA_URI_V4'] || undefined,
  }
  checkTogether(options)
  return options
}

/** What no option can be told by itself. */
function checkTogether({ authTokenFile, authToken, tlsCert, tlsKey }: Options): void {
  if (authTokenFile && authToken)
    throw new UsageError('--auth-token-file and SECRET_BUS_AUTH_TOKEN are both given, but tokens come from one of them')
  if (tlsCert && !tlsKey) throw new UsageError('--tls-cert is given without --tls-key')
  if (tlsKey && !tlsCert) throw new UsageError('--tls-key is given without --tls-cert')
}

function chosen(flag: string, definition: Definition, places: Place[]): unknown {
  const { repeatable } = definition
  for (const { written, label } of places) {
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

/** An empty variable is unset. Others of our prefix are none of our business: container platforms set some. */
function fromVariables(environment: Environment): Written {
  const written = new Map<string, string[]>()
  for (const { flag, definition } of everyOption) {
    const text = environment[variableOf(flag)]
    if (text) written.set(flag, definition.repeatable ? text.split(',').map((part) => part.trim()) : [text])
  }
  return written
}

async function fromFile(file: string): Promise<Place> {
  const label = (flag: string) => `${JSON.stringify(flag)} in ${file}`
  const flags = new Set(inFile.map(({ flag }) => flag))
  const written = new Map<string, string[]>()
  for (const [flag, value] of Object.entries(await readObject(file))) {
    if (!flags.has(flag)) throw new UsageError(`${label(flag)} is not an option`)
    const items: unknown[] = Array.isArray(value) ? value : [value]
    if (items.some((item) => typeof item === 'object'))
      throw new UsageError(`${label(flag)} is neither text, nor a number, nor true or false`)
    if (items.length > 0) written.set(flag, items.map(String))
  }
  return { written, label }
}

async function readObject(file: string): Promise<object> {
  const text = await readOptionFile('--config', file)
  const value = parse(text.toString())
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new UnusableFile(`--config ${file} does not hold a JSON object`)
}

/** Nothing is told of why it is no JSON, for that would quote the file. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const defaults: Place = {
  written: new Map(
    inFile.flatMap(({ flag, definition }) => (definition.default === undefined ? [] : [[flag, [definition.default]]])),
  ),
  label: (flag) => `the default of --${flag}`,
}
