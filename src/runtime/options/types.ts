/** The value types of options: how each is parsed, and which values are allowed. */
import { logLevels } from '../../bus/process/lifecycle.ts'

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

export const port = integer(0, 65_535)

export const host = matching(/^[\w.:%-]+$/, 'an IP address or a host name')

export const path = matching(/^\P{Cc}+$/u, 'a file path')

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html */
export const table = matching(
  /^([\w.-]{3,255}|arn:[\w.:/-]{1,1020})$/,
  'a table name (3 to 255 letters, digits, _ . -) or a table ARN',
)

export const attribute = matching(/^.{1,255}$/su, 'an attribute name of 1 to 255 characters')

/**
 * A partition key of type string has at most 2,048 bytes of UTF-8. A lone surrogate, which JSON can contain, is not
 * encodable in UTF-8 or in a URL.
 */
export const codeName: OptionType<string> = {
  parse: (text) => (text !== '' && text.isWellFormed() && Buffer.byteLength(text) <= 2_048 ? text : undefined),
  allowed: 'a key of 1 to 2048 bytes',
}

/** A host name label, because the AWS SDK makes it part of a host name. */
export const region = matching(/^[a-z\d]([a-z\d-]{0,61}[a-z\d])?$/i, 'an AWS region, such as eu-central-1')

export const httpUrl: OptionType<string> = {
  parse: (text) => (/^https?:\/\/\S+$/i.test(text) && URL.canParse(text) ? text : undefined),
  allowed: 'a URL with the scheme http:// or https://',
}

/** Checks the syntax only; `service` checks that the subscriber exists. */
export const subscriber = matching(/^[a-z-]+$/, 'a subscriber name, such as dynamodb')

/** A URL or an image name; it is not validated further. */
export const link = matching(/^\P{Cc}+$/u, 'a link')

export const logLevel = choice([...logLevels, 'silent'])

export const logWhenFull = choice(['drop', 'block'])

export const logFormat = choice(['auto', 'json', 'pretty'])

/** Output format of the `channels` command. */
export const topologyFormat = choice(['table', 'json', 'mermaid'])

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

export function integer(min: number, max: number): OptionType<number> {
  const parse = (text: string) => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    return number >= min && number <= max ? number : undefined
  }
  return { parse, allowed: `a whole number from ${min} to ${max}` }
}

export function choice<const Value extends string>(values: readonly Value[]): OptionType<Value> {
  return { parse: (text) => values.find((value) => value === text), allowed: `one of ${values.join(', ')}` }
}

function matching(pattern: RegExp, allowed: string): OptionType<string> {
  return { parse: (text) => (pattern.test(text) ? text : undefined), allowed }
}
