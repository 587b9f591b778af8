import { describe, expect, expectTypeOf, test } from 'vitest'
import { serviceInfo } from '../../../src/bus/process/service-info.ts'
import { readOptions } from '../../../src/runtime/options/load.ts'
import {
  checkUnique,
  type OptionRecord,
  type OptionValues,
  resolveOptions,
} from '../../../src/runtime/options/option.ts'
import { choice } from '../../../src/runtime/options/types.ts'
import type { Sensitive } from '../../../src/secret.ts'

const info = serviceInfo({ name: 'two-words', version: '1.2.3' })
const describeOption = { describe: 'Some option' }
/** A declaration as JavaScript may contain it. */
const declared = (options: unknown) => options as OptionRecord

const options = {
  stockUrl: { ...describeOption, type: 'url', default: 'http://localhost:1' },
  patience: { ...describeOption, type: 'duration', default: '2s' },
  retries: { ...describeOption, type: 'integer' },
  color: { ...describeOption, type: choice(['red', 'blue']), default: 'red' },
  loud: { ...describeOption, type: 'flag' },
  names: { ...describeOption, type: 'text', repeatable: true },
  apiKey: { ...describeOption, type: 'secret' },
  // A plugin needs no import for a type of its own.
  even: { ...describeOption, type: { parse: (text: string) => text.length % 2 === 0 || undefined, allowed: 'even' } },
} as const satisfies OptionRecord

describe('a declared option', () => {
  const resolved = resolveOptions(info, options)
  const read = async (line: Record<string, string[]> = {}, environment: NodeJS.ProcessEnv = {}) => {
    const { '': values } = await readOptions(resolved, { commandLine: new Map(Object.entries(line)), environment })
    return values as OptionValues<typeof options>
  }

  test('has a typed value, converted from its default', async () => {
    const values = await read()

    expect(values).toEqual({
      stockUrl: 'http://localhost:1',
      patience: 2_000,
      retries: undefined,
      color: 'red',
      loud: false,
      names: [],
      apiKey: undefined,
      even: undefined,
    })
    expectTypeOf(values).toEqualTypeOf<{
      readonly stockUrl: string
      readonly patience: number
      readonly retries: number | undefined
      readonly color: 'red' | 'blue'
      readonly loud: boolean
      readonly names: readonly string[]
      readonly apiKey: Sensitive | undefined
      readonly even: true | undefined
    }>()
  })

  test('is set by a flag in kebab case and by a variable with the prefix of the service', async () => {
    expect(await read({ 'stock-url': ['https://stock'] })).toMatchObject({ stockUrl: 'https://stock' })
    expect(await read({}, { TWO_WORDS_STOCK_URL: 'https://stock' })).toMatchObject({ stockUrl: 'https://stock' })
  })

  test('of a plugin has flags that begin with the name of the plugin', () => {
    const [stockUrl] = resolveOptions(info, options, 'hello')

    expect(stockUrl).toMatchObject({ owner: 'hello', flag: 'hello-stock-url', variable: 'TWO_WORDS_HELLO_STOCK_URL' })
  })

  test('of type secret is only set by its variable, and is not readable by accident', async () => {
    expect(resolved.find(({ name }) => name === 'apiKey')).toMatchObject({ variableOnly: true })
    const { apiKey } = await read({}, { TWO_WORDS_API_KEY: 'classified' })

    expect(apiKey?.reveal()).toBe('classified')
    expect(JSON.stringify({ apiKey })).not.toContain('classified')
  })

  test.each<[string, unknown, string]>([
    ['is not an object', 'text', 'must be an object with type and describe'],
    ['has no type', { describe: 'x' }, 'must have a type: a name, or an object with parse and allowed'],
    ['has an unknown type', { type: 'string', describe: 'x' }, 'has the unknown type "string"; known are text, flag'],
    ['has no text', { type: 'text' }, 'must have a text describe'],
    ['has an unknown member', { type: 'text', describe: 'x', alias: 'y' }, 'has the unknown member alias'],
    [
      'has an invalid default',
      { type: 'port', describe: 'x', default: 'http' },
      'has the default "http", which must be',
    ],
    ['has an invalid flag', { type: 'text', describe: 'x', flag: 'A b' }, 'must have a flag in kebab case'],
    ['needs an unknown option', { type: 'text', describe: 'x', needs: 'other' }, 'refers to the unknown option other'],
  ])('is refused if it %s', (_problem, option, message) => {
    expect(() => resolveOptions(info, declared({ mine: option }))).toThrow(`option mine ${message}`)
  })

  test.each(['Mine', 'my-option', '', '1st', '__proto__x'])('is refused under the name %j', (name) => {
    const option = { type: 'text', describe: 'x' }
    expect(() => resolveOptions(info, declared({ [name]: option }))).toThrow('must have a name in camel case')
  })

  test.each([
    ['flag', true],
    ['flag', null],
    ['variable', ''],
    ['variable', 'A B'],
    ['variable', 1],
    ['fallbackVariable', 5],
    ['default', null],
    ['default', ['a']],
    ['default', {}],
    ['repeatable', 'yes'],
    ['group', ''],
    ['group', 1],
  ])('is refused with the %s %j', (member, value) => {
    const option = { ...describeOption, type: 'text', [member]: value }
    expect(() => resolveOptions(info, declared({ mine: option }))).toThrow(/^option mine must have .*\b\w/)
  })

  test.each([
    ['baseURL', 'base-url'],
    ['apiURLPath', 'api-url-path'],
    ['http2Port', 'http2-port'],
    ['aB', 'a-b'],
  ])('named %s has the flag %s', (name, flag) => {
    expect(resolveOptions(info, { [name]: { ...describeOption, type: 'text' } })).toMatchObject([{ flag }])
  })

  test('of a plugin named like a member of every object has values of its own', async () => {
    const own = resolveOptions(info, { word: { ...describeOption, type: 'text', default: 'x' } }, 'constructor')
    const all = await readOptions(own, { commandLine: new Map(), environment: {} })

    expect(all['constructor']).toEqual({ word: 'x' })
    expect((await readOptions([], { commandLine: new Map(), environment: {} }))['constructor']).toBeUndefined()
  })

  test.each([[undefined], [null], [[]], ['text']])('cannot be declared in %j instead of a record', (record) => {
    expect(() => resolveOptions(info, declared(record))).toThrow(TypeError)
  })
})

describe('options that depend on each other', () => {
  const resolved = resolveOptions(info, {
    cert: { ...describeOption, type: 'file', needs: 'key' },
    key: { ...describeOption, type: 'file' },
    token: { ...describeOption, type: 'secret', excludes: ['cert'] },
  })
  const read = (commandLine: Map<string, string[]>, environment: NodeJS.ProcessEnv = {}) =>
    readOptions(resolved, { commandLine, environment })

  test('are refused without the option that they need', async () => {
    await expect(read(new Map([['cert', ['a']]]))).rejects.toThrow('--cert requires --key')
  })

  test('are refused with an option that they exclude, regardless of the sources', async () => {
    const line = new Map([
      ['cert', ['a']],
      ['key', ['a']],
    ])
    await expect(read(line, { TWO_WORDS_TOKEN: 'x' })).rejects.toThrow(
      'TWO_WORDS_TOKEN and --cert are mutually exclusive',
    )
  })
})

test('options that share a flag are refused, with the plugin that has it', () => {
  const one = resolveOptions(info, { helloName: { ...describeOption, type: 'text' } })
  const other = resolveOptions(info, { name: { ...describeOption, type: 'text' } }, 'hello')

  expect(() => checkUnique([...one, ...other])).toThrow('option name must not use --hello-name, which option helloName')
})
