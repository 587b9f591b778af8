/** Validates and converts the values of an option. */
import { UsageError } from '../../errors.ts'
import type { OptionType } from './types.ts'

/**
 * @param label the name of the option in its source, such as `--port` or `ORDERS_PORT`
 * @returns one value per text
 * @throws UsageError with the label, the constraint and the text
 */
export function valuesOf<Value>(
  label: string,
  { type, repeatable = false }: { readonly type: OptionType<Value>; readonly repeatable?: boolean },
  texts: readonly string[],
): Value[] {
  if (texts.length > 1 && !repeatable) throw new UsageError(`${label} must be given only once`)
  return texts.map((text) => {
    const value = type.parse(text)
    if (value !== undefined) return value
    throw new UsageError(`${label} must be ${type.allowed}, received ${JSON.stringify(text)}`)
  })
}
