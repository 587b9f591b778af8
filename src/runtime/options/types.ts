/** The value types of options: how each is parsed, and which values are allowed. */
import { Sensitive } from '../../secret.ts'

export interface OptionType<Value> {
  /** Returns the value, or `undefined` if the text is not valid. */
  readonly parse: (text: string) => Value | undefined
  /** The constraint, worded to follow "must be" in an error message. */
  readonly allowed: string
}

const flags = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
])

export const flag: OptionType<boolean> = { parse: (text) => flags.get(text), allowed: 'true or false' }

/** One line of text that is not empty. */
export const text = matching(/^\P{Cc}+$/u, 'a text without control characters')

/** Any text, wrapped so that it is not logged. Such an option has no flag; see `Option.type`. */
export const secret: OptionType<Sensitive> = {
  parse: (text) => (text === '' ? undefined : new Sensitive(text)),
  allowed: 'a secret that is not empty',
}

export const port = integer(0, 65_535)

export const host = matching(/^[\w.:%-]+$/, 'an IP address or a host name')

/** The path of a file. Relative paths in the file of `--config` are relative to that file. */
export const file = matching(/^\P{Cc}+$/u, 'a file path')

/** The path of a module, like `file`, or the name of a package. */
export const module = matching(/^\P{Cc}+$/u, 'a file path or a package name')

/** Whether the name of a module can only be that of a file. */
export function isModulePath(name: string): boolean {
  return /^\.{0,2}\/|\.[cm]?[jt]s$/.test(name)
}

/** A URL with the scheme http or https, as text. */
export const url: OptionType<string> = {
  parse: (text) => (/^https?:\/\/\S+$/i.test(text) && URL.canParse(text) ? text : undefined),
  allowed: 'a URL with the scheme http:// or https://',
}

/** Scheme, host and port of a URL with the scheme http or https, as `upstream` needs it. */
export const origin: OptionType<string> = {
  parse(text) {
    const parsed = url.parse(text) && new URL(text)
    return parsed && parsed.href === `${parsed.origin}/` ? parsed.origin : undefined
  },
  allowed: 'a URL with scheme, host and port only, such as https://api.example.com',
}

const units = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/** About the longest delay that `setTimeout` supports, in milliseconds. */
const longestDuration = 24 * 86_400_000

/** Whole milliseconds, because some consumers reject fractions. */
export const duration: OptionType<number> = {
  parse(text) {
    const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? []
    const ms = text === '0' ? 0 : Math.round(Number(number) * (units.get(unit) ?? Number.NaN))
    return ms <= longestDuration ? ms : undefined
  },
  allowed: 'a duration up to 24d, such as 500ms, 5s, 10m, 1h',
}

/** Milliseconds; `Infinity` for `forever`. */
export const lifetime: OptionType<number> = {
  parse: (text) => (text === 'forever' ? Infinity : duration.parse(text)),
  allowed: `${duration.allowed}, or forever`,
}

/** Milliseconds, more than 0. */
export const timeLimit: OptionType<number> = {
  parse: (text) => duration.parse(text) || undefined,
  allowed: `${duration.allowed}, but not 0`,
}

/**
 * A whole number between the bounds.
 * @throws RangeError unless `max` is at least `min`
 */
export function integer(min = 0, max = Number.MAX_SAFE_INTEGER): OptionType<number> {
  if (!(max >= min)) throw new RangeError(`max must be at least min (${min}), received ${max}`)
  const parse = (text: string) => {
    const number = /^-?\d+$/.test(text) ? Number(text) : Number.NaN
    return number >= min && number <= max ? number : undefined
  }
  return { parse, allowed: `a whole number from ${min} to ${max}` }
}

/**
 * One of the values.
 * @throws TypeError unless the values are a list of at least one text
 */
export function choice<const Value extends string>(values: readonly Value[]): OptionType<Value> {
  if (!Array.isArray(values) || values.length === 0 || values.some((value) => typeof value !== 'string'))
    throw new TypeError('values of a choice must be a list of at least one text')
  return { parse: (text) => values.find((value) => value === text), allowed: `one of ${values.join(', ')}` }
}

/** A text that matches the pattern. */
export function matching(pattern: RegExp, allowed: string): OptionType<string> {
  // `search`, because `test` continues after the previous match if the pattern has the flag `g`.
  return { parse: (text) => (text.search(pattern) === -1 ? undefined : text), allowed }
}

/** The types that an option can name, so that a plugin needs no import. */
export const typesByName = {
  text,
  flag,
  secret,
  integer: integer(),
  port,
  host,
  url,
  origin,
  file,
  duration,
  lifetime,
  'time-limit': timeLimit,
  module,
} as const

export type TypeName = keyof typeof typesByName

/** Output format of the `channels` command. */
export const topologyFormat = choice(['table', 'json', 'mermaid'])
