/** Options as a service or a plugin declares them, and the set of options of one program. */
import { namePattern, type ServiceInfo } from '../../bus/process/service-info.ts'
import { type OptionType, type TypeName, typesByName } from './types.ts'

/** The declaration of an option. Its name is the key in the record, in camel case. */
export interface Option {
  /**
   * The name of a type, or a type. An option of type `secret` can only be set by its environment variable, because other
   * users of the host can see the command line.
   */
  readonly type: TypeName | OptionType<unknown>
  /** Text in the help: a noun phrase with the unit or range. */
  readonly describe: string
  /** Heading in the help; by default `Options`, or the name of the plugin. */
  readonly group?: string
  /** As written on the command line. A flag is `false` by default. */
  readonly default?: string | number | boolean
  /** The option can be given several times; its value is a list. */
  readonly repeatable?: boolean
  /** Without leading dashes; by default the name in kebab case. `false`: only the environment variable sets it. */
  readonly flag?: string | false
  /**
   * The environment variable; by default the flag in upper case after the prefix of the service. A name that begins with
   * `_` follows the prefix instead of the flag.
   */
  readonly variable?: string
  /** The variable of another program that counts if the option is not given, such as `AWS_REGION`. */
  readonly fallbackVariable?: string
  /** Names of options without which this one is refused. */
  readonly needs?: string | readonly string[]
  /** Names of options with which this one is refused. */
  readonly excludes?: string | readonly string[]
}

/** Options by name. */
export type OptionRecord = Readonly<Record<string, Option>>

type Parsed<Type> = Type extends TypeName
  ? Parsed<(typeof typesByName)[Type]>
  : Type extends OptionType<infer Value>
    ? Value
    : unknown

type ValueOf<Declared extends Option> = Declared extends { readonly repeatable: true }
  ? Declared extends { readonly default: string | number | boolean }
    ? readonly [Parsed<Declared['type']>, ...Parsed<Declared['type']>[]]
    : readonly Parsed<Declared['type']>[]
  : Declared extends { readonly default: string | number | boolean } | { readonly type: 'flag' }
    ? Parsed<Declared['type']>
    : Parsed<Declared['type']> | undefined

/** The validated and converted values of declared options. Durations are milliseconds. */
export type OptionValues<Declared extends OptionRecord> = {
  readonly [Name in keyof Declared]: ValueOf<Declared[Name]>
}

/** An option with everything that its declaration leaves to the defaults. */
export interface ResolvedOption {
  /** The plugin that declares it; empty for the service. */
  readonly owner: string
  readonly name: string
  readonly flag: string
  /** Whether only the environment variable can set it. */
  readonly variableOnly: boolean
  readonly variable: string
  readonly fallbackVariable: string | undefined
  readonly group: string
  readonly describe: string
  readonly type: OptionType<unknown>
  readonly default: string | undefined
  readonly repeatable: boolean
  readonly needs: readonly string[]
  readonly excludes: readonly string[]
}

/**
 * Resolves and validates the options of a service or a plugin.
 * @param owner the name of the plugin, which begins its flags; empty for the service
 * @throws TypeError with the name of the invalid option and the reason
 */
export function resolveOptions(
  { variablePrefix }: Pick<ServiceInfo, 'variablePrefix'>,
  declared: OptionRecord,
  owner = '',
): ResolvedOption[] {
  if (typeof declared !== 'object' || declared === null || Array.isArray(declared))
    throw new TypeError('options must be a record of options by name')
  return Object.entries(declared).map(([name, option]) => {
    const fail = (problem: string): never => {
      throw new TypeError(`option ${name} ${problem}`)
    }
    checkDeclaration(name, option, declared, fail)
    const kebab = (option.flag || kebabCase(name)).toLowerCase()
    const flag = owner === '' ? kebab : `${owner}-${kebab}`
    const type = typeof option.type === 'string' ? typesByName[option.type] : option.type
    const byDefault = option.default ?? (type === typesByName.flag ? false : undefined)
    if (byDefault !== undefined && type.parse(String(byDefault)) === undefined)
      fail(`has the default ${JSON.stringify(byDefault)}, which must be ${type.allowed}`)
    return {
      owner,
      name,
      flag,
      variableOnly: option.flag === false || type === typesByName.secret,
      variable: variableOf(option, variablePrefix, flag),
      fallbackVariable: option.fallbackVariable,
      group: option.group ?? (owner || 'Options'),
      describe: option.describe,
      type,
      default: byDefault === undefined ? undefined : String(byDefault),
      repeatable: option.repeatable ?? false,
      needs: [option.needs ?? []].flat(),
      excludes: [option.excludes ?? []].flat(),
    }
  })
}

function variableOf({ variable }: Option, prefix: string, flag: string): string {
  if (variable === undefined) return prefix + flag.toUpperCase().replaceAll('-', '_')
  return variable.startsWith('_') ? prefix + variable.slice(1) : variable
}

const members: ReadonlySet<string> = new Set<keyof Option>([
  'type',
  'describe',
  'group',
  'default',
  'repeatable',
  'flag',
  'variable',
  'fallbackVariable',
  'needs',
  'excludes',
])

/** Checks what a declaration written in JavaScript may get wrong. */
function checkDeclaration(name: string, option: Option, all: OptionRecord, fail: (problem: string) => never): void {
  if (!/^[a-z][A-Za-z0-9]*$/.test(name)) fail('must have a name in camel case')
  if (typeof option !== 'object' || option === null) fail('must be an object with type and describe')
  const unknown = Object.keys(option).find((member) => !members.has(member))
  if (unknown !== undefined) fail(`has the unknown member ${unknown}; known are ${[...members].join(', ')}`)
  const { type, describe, flag, needs = [], excludes = [] } = option
  checkMembers(option, fail)
  if (typeof describe !== 'string' || describe === '') fail('must have a text describe')
  if (typeof type === 'string' && !Object.hasOwn(typesByName, type))
    fail(`has the unknown type ${JSON.stringify(type)}; known are ${Object.keys(typesByName).join(', ')}`)
  if (typeof type !== 'string' && (typeof type?.parse !== 'function' || typeof type.allowed !== 'string'))
    fail('must have a type: a name, or an object with parse and allowed')
  if (flag !== undefined && flag !== false && !(typeof flag === 'string' && namePattern.test(flag)))
    fail('must have a flag in kebab case, or false')
  const other = [needs, excludes].flat(2).find((other) => !Object.hasOwn(all, other))
  if (other !== undefined) fail(`refers to the unknown option ${other}`)
}

/** Checks the types of the members that have a default. */
function checkMembers(option: Option, fail: (problem: string) => never): void {
  const { default: byDefault = '', repeatable = false, group = 'Options' } = option
  if (!['string', 'number', 'boolean'].includes(typeof byDefault))
    fail('must have a default that is a string, a number or a boolean')
  if (typeof repeatable !== 'boolean') fail('must have true or false as repeatable')
  if (typeof group !== 'string' || group === '') fail('must have a text as group')
  for (const member of ['variable', 'fallbackVariable'] as const) {
    const name = option[member]
    if (name !== undefined && !(typeof name === 'string' && /^[A-Za-z_]\w*$/.test(name)))
      fail(`must have the name of an environment variable as ${member}`)
  }
}

/** @throws TypeError if two options share a flag or a variable */
export function checkUnique(options: readonly ResolvedOption[]): void {
  const seen = new Map<string, ResolvedOption>()
  for (const option of options) {
    const labels = option.variableOnly ? [option.variable] : [`--${option.flag}`, option.variable]
    for (const label of labels) {
      const other = seen.get(label)
      if (other) throw new TypeError(`option ${option.name} must not use ${label}, which ${ownerOf(other)} uses`)
      seen.set(label, option)
    }
  }
}

function ownerOf({ owner, name }: ResolvedOption): string {
  return `option ${name}${owner === '' ? '' : ` of plugin ${owner}`}`
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]+(?![a-z])|[A-Z]/g, (capitals) => `-${capitals}`).toLowerCase()
}
