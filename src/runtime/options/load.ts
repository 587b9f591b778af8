/** Loads the options from the command line, environment variables, a file and the defaults. */
import { UsageError } from '../../errors.ts'
import { fromFile } from './config-file.ts'
import type { EffectiveOption } from './effective.ts'
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
export async function readOptions(options: readonly ResolvedOption[], sources: OptionSources): Promise<AllValues> {
  return valuesByOwner(await effectiveOptions(options, sources))
}

/**
 * Like `readOptions`, but returns the options with their sources, including `config`.
 * @throws the same errors
 */
export async function effectiveOptions(
  options: readonly ResolvedOption[],
  { commandLine, environment, ignoreUnknown = false }: OptionSources,
): Promise<EffectiveOption[]> {
  const line: Source = { written: commandLine, label: ({ flag }) => `--${flag}` }
  const variables = fromVariables(options, environment)
  const config = options.find(isConfig)
  const file = config && resolveOption(config, [line, variables])?.value
  const files = file === undefined ? [] : [await fromFile(String(file), options, ignoreUnknown)]
  const sources = [line, variables, ...files, fromFallbackVariables(options, environment)]
  const effective = options.map((option) => resolveOption(option, sources) ?? defaultOf(option))
  const given = effective.filter(
    ({ option, value, from }) => !isConfig(option) && from !== undefined && value !== false,
  )
  checkCombinations(new Set(given.map(({ option }) => option)), options)
  return effective
}

/** Without `config`, which has been read. */
export function valuesByOwner(options: readonly EffectiveOption[]): AllValues {
  // Without a prototype, because a plugin may be named `constructor`.
  const all: Record<string, Record<string, unknown>> = Object.assign(Object.create(null), { '': {} })
  for (const { option, value } of options) {
    if (isConfig(option)) continue
    const values = all[option.owner] ?? {}
    values[option.name] = value
    all[option.owner] = values
  }
  return all
}

function isConfig({ owner, name }: ResolvedOption): boolean {
  return owner === '' && name === 'config'
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

function resolveOption(option: ResolvedOption, sources: readonly Source[]): EffectiveOption | undefined {
  for (const { written, label } of sources) {
    const texts = written.get(option.flag)
    if (!texts) continue
    const from = label(option)
    return { option, value: converted(from, option, texts), texts, from }
  }
  return undefined
}

function defaultOf(option: ResolvedOption): EffectiveOption {
  const texts = option.default === undefined ? [] : [option.default]
  const value =
    texts.length === 0 && !option.repeatable ? undefined : converted(`the default of --${option.flag}`, option, texts)
  return { option, value, texts, from: undefined }
}

function converted(label: string, option: ResolvedOption, texts: readonly string[]): unknown {
  const values = valuesOf(label, option, texts)
  return option.repeatable ? [...new Set(values)] : values[0]
}
