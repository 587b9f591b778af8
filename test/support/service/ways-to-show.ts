/** How a program may come to show a value, on purpose or not. */
import { Console } from 'node:console'
import { PassThrough } from 'node:stream'
import { format, inspect } from 'node:util'
import { serialize } from 'node:v8'
import { pino } from 'pino'

const everything = { depth: Infinity, maxArrayLength: null, maxStringLength: null, getters: true } as const

/** Each answers with what there is to be seen, and never throws: the message of what goes wrong is to be seen too. */
export const waysToShow: Readonly<Record<string, (value: unknown) => string>> = {
  inspected: whatever((value) => inspect(value)),
  'inspected with what is hidden': whatever((value) => inspect(value, { ...everything, showHidden: true })),
  'inspected without its own way to be': whatever((value) =>
    inspect(value, { ...everything, showHidden: true, customInspect: false }),
  ),
  'turned into a string': whatever(String),
  'put into a template': whatever((value) => `${value}`),
  concatenated: whatever((value) => ''.concat(value as string)), // typed as what it is not, for that is the mistake
  joined: whatever((value) => [value].join()),
  localised: whatever((value) => (value as object).toLocaleString()),
  'formatted as a string': whatever((value) => format('%s', value)),
  'formatted as an object': whatever((value) => format('%o', value)),
  'formatted as an object in short': whatever((value) => format('%O', value)),
  'formatted as JSON': whatever((value) => format('%j', value)),
  'put out on a console': whatever(onConsole),
  serialised: whatever((value) => JSON.stringify(value)),
  'serialised as binary': whatever((value) => serialize(value).toString('latin1')),
  cloned: whatever((value) => inspect(structuredClone(value), everything)),
  spread: whatever((value) => inspect({ ...(value as object) }, everything)),
  'listed by entry': whatever((value) => inspect(Object.entries(value as object), everything)),
  'listed by property': whatever((value) => inspect(properties(value), everything)),
  'in the message of an error': whatever((value) => new Error(`failed on ${value}`).stack ?? ''),
  'as the cause of an error': whatever((value) => inspect(new Error('failed', { cause: value }), everything)),
  'a field of a log': whatever((value) => logged({ value })),
  'an error in a log': whatever((value) => logged({ err: value })),
}

/** In every way, one after another. */
export function shown(value: unknown): string {
  return Object.values(waysToShow)
    .map((show) => show(value))
    .join('\n')
}

function whatever(show: (value: unknown) => string | undefined): (value: unknown) => string {
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

/** Own ones and inherited ones, enumerable or not. */
function properties(value: unknown): unknown[] {
  const found: unknown[] = []
  for (let at: unknown = value; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const key of Reflect.ownKeys(at))
      found.push([key, whatever(() => inspect(Reflect.get(at as object, key, value)))(0)])
  }
  return found
}

function logged(fields: object): string {
  let line = ''
  pino({}, { write: (text: string) => (line += text) }).info(fields, 'Hello')
  return line
}
