/** Loads the options from the command line, environment variables, a file and the defaults. */
import { UsageError } from '../../errors.ts'
import { fromFile } from './config-file.ts'
import type { ResolvedOption } from './option.ts'
import { valuesOf } from './parse.ts'
import type { Source, Written } from './source.ts'
import { fromFallbackVariables, fromVariables } from './variables.ts'

export interface OptionSources {
  readonly commandLine: Written
  readonly environment: NodeJS.ProcessEnv
  /** Whether the file of `--config` may contain unknown options; false by default. */
  readonly ignoreUnknown?: boolean
}

/** The values of the options, by the name of the plugin that declares them and by their own names. */
export type AllValues = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/**
 * The command line takes precedence over environment variables, and those over the file of `--config`. Variables of
 * other programs come last.
 * @throws UsageError if an option is unknown or invalid, or conflicts with another; UnusableFile if the file is missing
 *   or invalid
 */
export async function readOptions(
  options: readonly ResolvedOption[],
  { commandLine, environment, ignoreUnknown = false }: OptionSources,
): Promise<AllValues> {
  const line: Source = { written: commandLine, label: ({ flag }) => `--${flag}` }
  const variables = fromVariables(options, environment)
  const config = options.find(({ owner, name }) => owner === '' && name === 'config')
  const file = config && resolveOption(config, [line, variables])?.value
  const files = file === undefined ? [] : [await fromFile(String(file), options, ignoreUnknown)]
  const sources = [line, variables, ...files, fromFallbackVariables(options, environment)]
  // Without a prototype, because a plugin may be named `constructor`.
  const all: Record<string, Record<string, unknown>> = Object.assign(Object.create(null), { '': {} })
  const given = new Set<ResolvedOption>()
  for (const option of options) {
    if (option === config) continue
    const found = resolveOption(option, sources)
    if (found && found.value !== false) given.add(option)
    const values = all[option.owner] ?? {}
    values[option.name] = found ? found.value : defaultOf(option)
    all[option.owner] = values
  }
  checkCombinations(given, options)
  return all
}

/** Validates options that depend on each other. */
function checkCombinations(given: ReadonlySet<ResolvedOption>, options: readonly ResolvedOption[]): void {
  for (const option of given) {
    const others = (names: readonly string[]) =>
      options.filter(({ owner, name }) => owner === option.owner && names.includes(name))
    const missing = others(option.needs).find((other) => !given.has(other))
    if (missing) throw new UsageError(`${labelOf(option)} requires ${labelOf(missing)}`)
    const conflict = others(option.excludes).find((other) => given.has(other))
    if (conflict) throw new UsageError(`${labelOf(option)} and ${labelOf(conflict)} are mutually exclusive`)
  }
}

function labelOf({ flag, variable, variableOnly }: ResolvedOption): string {
  return variableOnly ? variable : `--${flag}`
}

function resolveOption(option: ResolvedOption, sources: readonly Source[]) {
  for (const { written, label } of sources) {
    const texts = written.get(option.flag)
    if (!texts) continue
    return { value: converted(label(option), option, texts) }
  }
  return undefined
}

function defaultOf(option: ResolvedOption): unknown {
  if (option.default === undefined) return option.repeatable ? [] : undefined
  return converted(`the default of --${option.flag}`, option, [option.default])
}

function converted(label: string, option: ResolvedOption, texts: readonly string[]): unknown {
  const values = valuesOf(label, option, texts)
  return option.repeatable ? [...new Set(values)] : values[0]
}
