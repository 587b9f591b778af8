/** The ways in which a program may convert a value to text, intentionally or not. */
import { Console } from 'node:console'
import { PassThrough } from 'node:stream'
import { format, inspect } from 'node:util'
import { serialize } from 'node:v8'
import { pino } from 'pino'

const everything = { depth: Infinity, maxArrayLength: null, maxStringLength: null, getters: true } as const

/** Converts a value to text without throwing: an error is converted as well, because it may contain the value. */
export const waysToShow: Readonly<Record<string, (value: unknown) => string>> = {
  inspected: neverThrowing((value) => inspect(value)),
  'inspected with hidden properties': neverThrowing((value) => inspect(value, { ...everything, showHidden: true })),
  'inspected without its custom inspect function': neverThrowing((value) =>
    inspect(value, { ...everything, showHidden: true, customInspect: false }),
  ),
  'converted to a string': neverThrowing(String),
  interpolated: neverThrowing((value) => `${value}`),
  concatenated: neverThrowing((value) => ''.concat(value as string)), // the cast simulates the mistake
  joined: neverThrowing((value) => [value].join()),
  localized: neverThrowing((value) => (value as object).toLocaleString()),
  'formatted as a string': neverThrowing((value) => format('%s', value)),
  'formatted as an object': neverThrowing((value) => format('%o', value)),
  'formatted as a short object': neverThrowing((value) => format('%O', value)),
  'formatted as JSON': neverThrowing((value) => format('%j', value)),
  'printed to a console': neverThrowing(onConsole),
  serialized: neverThrowing((value) => JSON.stringify(value)),
  'serialized as binary': neverThrowing((value) => serialize(value).toString('latin1')),
  cloned: neverThrowing((value) => inspect(structuredClone(value), everything)),
  spread: neverThrowing((value) => inspect({ ...(value as object) }, everything)),
  'listed as entries': neverThrowing((value) => inspect(Object.entries(value as object), everything)),
  'listed as properties': neverThrowing((value) => inspect(properties(value), everything)),
  'in the message of an error': neverThrowing((value) => new Error(`failed on ${value}`).stack ?? ''),
  'as the cause of an error': neverThrowing((value) => inspect(new Error('failed', { cause: value }), everything)),
  'logged as a field': neverThrowing((value) => logged({ value })),
  'logged as an error': neverThrowing((value) => logged({ err: value })),
}

/** The value in every representation. */
export function shown(value: unknown): string {
  return Object.values(waysToShow)
    .map((show) => show(value))
    .join('\n')
}

function neverThrowing(show: (value: unknown) => string | undefined): (value: unknown) => string {
  return (value) => {
    try {
      return show(value) ?? ''
    } catch (error) {
      return inspect(error)
    }
  }
}

function onConsole(value: unknown): string {
  const stdout = new PassThrough({ encoding: 'utf8' })
  const console = new Console({ stdout })
  console.log(value)
  console.dir(value, { depth: null })
  console.table(value)
  return stdout.read()
}

/** Own and inherited properties, enumerable or not. */
function properties(value: unknown): unknown[] {
  const entries: unknown[] = []
  for (let at: unknown = value; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const key of Reflect.ownKeys(at))
      entries.push([key, neverThrowing(() => inspect(Reflect.get(at as object, key, value)))(0)])
  }
  return entries
}

function logged(fields: object): string {
  let line = ''
  pino({}, { write: (text: string) => (line += text) }).info(fields, 'Hello')
  return line
}
