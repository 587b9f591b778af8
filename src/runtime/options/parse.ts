/** What was written for an option, checked and converted. */
import { UsageError } from '../../errors.ts'
import type { OptionType } from './types.ts'

/**
 * The values that the texts stand for.
 * @param label how the option is called where it was written
 * @throws UsageError naming the option, what was given and what is allowed
 */
export function valuesOf<Value>(
  label: string,
  { type, repeatable = false }: { readonly type: OptionType<Value>; readonly repeatable?: boolean },
  texts: readonly string[],
): Value[] {
  if (texts.length > 1 && !repeatable) throw new UsageError(`${label} may be given only once`)
  return texts.map((text) => {
    const value = type.parse(text)
    if (value !== undefined) return value
    throw new UsageError(`${label} is ${JSON.stringify(text)}, but must be ${type.allowed}`)
  })
}
