/** The options in effect and where each comes from, in a form that contains no secrets. */
import type { ResolvedOption } from './option.ts'
import { typesByName } from './types.ts'

export interface EffectiveOption {
  readonly option: ResolvedOption
  readonly value: unknown
  /** The value as written. */
  readonly texts: readonly string[]
  /** The flag, the variable, or the key in the file; undefined for a default. */
  readonly from: string | undefined
}

/** The written values by flag, or by variable if there is no flag. Options without a value are left out. */
export function publishedOptions(options: readonly EffectiveOption[]): Record<string, string | readonly string[]> {
  const entries = options
    .filter(({ texts }) => texts.length > 0)
    .map((each) => [nameOf(each), published(each)] as const)
  return Object.fromEntries(entries)
}

/** Where the values that are not defaults come from, by the same names. */
export function sourcesOf(options: readonly EffectiveOption[]): Record<string, string> {
  return Object.fromEntries(options.flatMap((each) => (each.from === undefined ? [] : [[nameOf(each), each.from]])))
}

function nameOf({ option: { flag, variable, variableOnly } }: EffectiveOption): string {
  return variableOnly ? variable : flag
}

function published({ option, value, texts }: EffectiveOption): string | readonly string[] {
  const values = Array.isArray(value) ? value : [value]
  // A type of a plugin may return any object, whose text may contain a secret.
  if (option.type === typesByName.secret || values.some((one) => typeof one === 'object' || typeof one === 'function'))
    return '[set]'
  const safe = texts.map(withoutCredentials)
  return option.repeatable ? safe : (safe[0] ?? '')
}

/** Leaves only scheme, host and path of a URL, because the other parts may be credentials. */
function withoutCredentials(text: string): string {
  const [scheme, rest] = text.split('://', 2)
  if (rest === undefined) return text
  const { host = '', pathname = '@' } = URL.parse(text) ?? {}
  // Then it is ambiguous where the credentials end.
  if (pathname.includes('@')) return `${scheme}://[redacted]`
  return `${scheme}://${host}${pathname}`
}
