/** The representations of a value as text that a program may create, intentionally or not. */
import { Console } from 'node:console'
import { PassThrough } from 'node:stream'
import { format, inspect } from 'node:util'
import { serialize } from 'node:v8'
import { pino } from 'pino'

const everything = { depth: Infinity, maxArrayLength: null, maxStringLength: null, getters: true } as const

/** Converts a value to text without throwing: an error is converted as well, because it may contain the value. */
export const representations: Readonly<Record<string, (value: unknown) => string>> = {
  inspected: safe((value) => inspect(value)),
  'inspected with hidden properties': safe((value) => inspect(value, { ...everything, showHidden: true })),
  'inspected without its custom inspect function': safe((value) =>
    inspect(value, { ...everything, showHidden: true, customInspect: false }),
  ),
  'converted to a string': safe(String),
  interpolated: safe((value) => `${value}`),
  concatenated: safe((value) => ''.concat(value as string)), // the cast simulates the mistake
  joined: safe((value) => [value].join()),
  localized: safe((value) => (value as object).toLocaleString()),
  'formatted as a string': safe((value) => format('%s', value)),
  'formatted as an object': safe((value) => format('%o', value)),
  'formatted as a short object': safe((value) => format('%O', value)),
  'formatted as JSON': safe((value) => format('%j', value)),
  'printed to a console': safe(onConsole),
  serialized: safe((value) => JSON.stringify(value)),
  'serialized as binary': safe((value) => serialize(value).toString('latin1')),
  cloned: safe((value) => inspect(structuredClone(value), everything)),
  spread: safe((value) => inspect({ ...(value as object) }, everything)),
  'listed as entries': safe((value) => inspect(Object.entries(value as object), everything)),
  'listed as properties': safe((value) => inspect(properties(value), everything)),
  'in the message of an error': safe((value) => new Error(`failed on ${value}`).stack ?? ''),
  'as the cause of an error': safe((value) => inspect(new Error('failed', { cause: value }), everything)),
  'logged as a field': safe((value) => logged({ value })),
  'logged as an error': safe((value) => logged({ err: value })),
}

/** The value in every representation. */
export function allRepresentations(value: unknown): string {
  return Object.values(representations)
    .map((show) => show(value))
    .join('\n')
}

function safe(show: (value: unknown) => string | undefined): (value: unknown) => string {
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
      entries.push([key, safe(() => inspect(Reflect.get(at as object, key, value)))(0)])
  }
  return entries
}

function logged(fields: object): string {
  let line = ''
  pino({}, { write: (text: string) => (line += text) }).info(fields, 'Hello')
  return line
}
