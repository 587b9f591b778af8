/** The kinds of values that options have: how each is written, and what it is then. */
import { logLevels } from '../../bus/process/lifecycle.ts'

export interface OptionType<Value> {
  /** What the text stands for, or `undefined` when it stands for nothing. */
  readonly parse: (text: string) => Value | undefined
  /** What may be given, to be read after "allowed: ". */
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

export const host = matching(/^[\w.:%-]+$/, 'an address or a host name')

export const path = matching(/^\P{Cc}+$/u, 'the path of a file')

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html */
export const table = matching(
  /^([\w.-]{3,255}|arn:[\w.:/-]{1,1020})$/,
  'a table name (3 to 255 letters, digits, _ . -) or the ARN of a table',
)

export const attribute = matching(/^.{1,255}$/su, 'an attribute name of 1 to 255 characters')

/** A key of type string: at most 2,048 bytes. Half a character, as JSON can hold it, has none, and is in no URL. */
export const codeName: OptionType<string> = {
  parse: (text) => (text !== '' && text.isWellFormed() && Buffer.byteLength(text) <= 2_048 ? text : undefined),
  allowed: 'a key of 1 to 2048 bytes',
}

/** A host label, as the SDK makes one of it. */
export const region = matching(/^[a-z\d]([a-z\d-]{0,61}[a-z\d])?$/i, 'the name of an AWS region, such as eu-central-1')

export const httpUrl: OptionType<string> = {
  parse: (text) => (/^https?:\/\/\S+$/i.test(text) && URL.canParse(text) ? text : undefined),
  allowed: 'a URL that begins with http:// or https://',
}

/** Which there are is for the assembly to say. */
export const subscriber = matching(/^[a-z-]+$/, 'the name of a subscriber, such as dynamodb')

/** A link or name, as it is. */
export const link = matching(/^\P{Cc}+$/u, 'a link')

export const logLevel = choice([...logLevels, 'silent'])

export const logFormat = choice(['auto', 'json', 'pretty'])

/** How the wiring of the bus is shown. */
export const topologyFormat = choice(['table', 'json', 'mermaid'])

const units = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/** What no timer is longer than; see `setTimeout`. */
const longest = 24 * 86_400_000

/** In whole milliseconds, for not everybody who is handed one takes a part of it. */
export const duration: OptionType<number> = {
  parse(text) {
    const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? []
    const ms = text === '0' ? 0 : Math.round(Number(number) * (units.get(unit) ?? Number.NaN))
    return ms <= longest ? ms : undefined
  },
  allowed: 'a time up to 24d, such as 500ms, 5s, 10m, 1h',
}

/** In milliseconds; `Infinity` is for ever. */
export const lifetime: OptionType<number> = {
  parse: (text) => (text === 'forever' ? Infinity : duration.parse(text)),
  allowed: `${duration.allowed}, or forever`,
}

/** In milliseconds; something that takes time cannot be given none. */
export const timeLimit: OptionType<number> = {
  parse: (text) => duration.parse(text) || undefined,
  allowed: `${duration.allowed}, but not 0`,
}

export function integer(least: number, most: number): OptionType<number> {
  const parse = (text: string) => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    return number >= least && number <= most ? number : undefined
  }
  return { parse, allowed: `a whole number from ${least} to ${most}` }
}

export function choice<const Value extends string>(values: readonly Value[]): OptionType<Value> {
  return { parse: (text) => values.find((value) => value === text), allowed: `one of ${values.join(', ')}` }
}

function matching(pattern: RegExp, allowed: string): OptionType<string> {
  return { parse: (text) => (pattern.test(text) ? text : undefined), allowed }
}
