/** Random command lines, environments and files, checked against the documentation of the options. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { UnusableFile, UsageError } from '../../../src/errors.ts'
import * as type from '../../../src/runtime/options/types.ts'
import { duration } from '../../../src/runtime/options/types.ts'
import { Sensitive } from '../../../src/secret.ts'
import { weighted } from '../../fuzz/weighted.ts'
import { everyOption, type Options, readCommandLine, readOptions } from '../../support/service/options.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Loads the options as the process does, with a config file of this content. */
async function read(args: string[], env: Record<string, string> = {}, file?: string): Promise<Options> {
  if (file === undefined) return readOptions((await readCommandLine(args, '1.2.3')).written, env)
  const path = join(folder, 'options.json')
  await writeFile(path, file)
  return readOptions((await readCommandLine([`--config=${path}`, ...args], '1.2.3')).written, env)
}

const variableOf = (flag: string) =>
  everyOption.find((option) => option.flag === flag)?.variable ??
  `SECRET_BUS_${flag.replaceAll('-', '_').toUpperCase()}`
const inFile = everyOption.filter(({ flag }) => flag !== 'config')
const flags = everyOption.map(({ flag }) => flag)

/** Writes a JSON object with every key, including ones such as `__proto__`. */
const json = (entries: readonly (readonly [key: string, value: unknown])[]) =>
  `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join()}}`

const texts = [
  ...'true 0 1 007 10 65535 65536 1e3 0x10 -1 0ms 1.5s 1.0005s 24d 25d forever'.split(' '),
  ...'::1 localhost /a/file eu-west-1 http://localhost:1 debug json drop optional a_table null {} [1]'.split(' '),
  ...`日本 -x --port = "a" 'a' -- - serve constructor __proto__ toString`.split(' '),
  ...['a b', 'two\nlines', 'half \ud800'],
]
const anyText = weighted([4, fc.constantFrom(...texts)], [1, fc.string({ unit: 'grapheme' })])

/** Texts that are valid for the option in every source. Variables are not empty, and are split and trimmed. */
const validFor = new Map(
  everyOption.map((option) => {
    const valid = (text: string) => text !== '' && option.type.parse(text) !== undefined && !/^\s|\s$|,/.test(text)
    const some = fc.constantFrom(...texts.filter(valid))
    return [option.flag, valid('a|b/c:d e') ? fc.oneof(some, fc.string({ unit: 'grapheme' }).filter(valid)) : some]
  }),
)
const valid = (flag: string) => validFor.get(flag) ?? fc.constant('')

const isBoolean = (value: unknown) => typeof value === 'boolean'
const isText = (value: unknown) => typeof value === 'string' && value.length > 0
const isTextOrNone = (value: unknown) => value === undefined || isText(value)
const isList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every(isText) && new Set(value).size === value.length
const isInteger = (min: number, max: number) => (value: unknown) =>
  Number.isInteger(value) && Number(value) >= min && Number(value) <= max
const isDuration = isInteger(0, 24 * 86_400_000)
const isTimeLimit = isInteger(1, 24 * 86_400_000)
const isLifetime = (value: unknown) => value === Infinity || isDuration(value)
const isOneOf =
  (...values: unknown[]) =>
  (value: unknown) =>
    values.includes(value)

/** The documented range of each option. */
const domains: Readonly<Record<keyof Options, (value: unknown) => boolean>> = {
  host: isText,
  port: isInteger(0, 65_535),
  trustProxy: isBoolean,
  allowAnonymous: isBoolean,
  accessLog: isBoolean,
  inspector: isBoolean,
  authTokenFile: isTextOrNone,
  clientsFile: isTextOrNone,
  tlsCert: isTextOrNone,
  tlsKey: isTextOrNone,
  tlsKeyPassphraseFile: isTextOrNone,
  tlsClientCa: isTextOrNone,
  tlsClientAuth: isOneOf('required', 'optional'),
  tlsClientCrl: isTextOrNone,
  watchFiles: isDuration,
  keepAliveTimeout: isTimeLimit,
  codeNames: (names) => isList(names) && names.length > 0 && names.every((name) => name.isWellFormed()),
  privateCodeNames: isList,
  clientsSecret: isTextOrNone,
  table: isText,
  keyAttribute: isText,
  valueAttribute: isText,
  region: isTextOrNone,
  dynamodbEndpoint: (url) => url === undefined || /^https?:$/.test(new URL(String(url)).protocol),
  consistentRead: isBoolean,
  connectTimeout: isTimeLimit,
  requestTimeout: isTimeLimit,
  maxAttempts: isInteger(1, 10),
  fetchTimeout: isTimeLimit,
  embedded: isBoolean,
  cacheTtl: isLifetime,
  maxStale: isLifetime,
  minRefreshInterval: isTimeLimit,
  negativeTtl: isDuration,
  drain: isDuration,
  shutdownTimeout: isTimeLimit,
  reloadTimeout: isTimeLimit,
  container: isTextOrNone,
  project: isTextOrNone,
  plugins: isList,
  without: isList,
  logLevel: isOneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
  logFormat: isOneOf('json', 'pretty', 'auto'),
  logWhenFull: isOneOf('drop', 'block'),
  authToken: (token) => token === undefined || token instanceof Sensitive,
  clients: (document) => document === undefined || document instanceof Sensitive,
  ecsMetadataUri: isTextOrNone,
  caBundle: isTextOrNone,
}

/** All error messages. */
const sentences = [
  ...everyOption.map(({ flag, type }) => {
    const label = `(--${flag}|${variableOf(flag)}|"${flag}" in \\S+)`
    const invalid = `must be ${type.allowed.replaceAll(/[().]/g, '\\$&')}, received ".*"`
    return new RegExp(`^${label} (requires a value|must be given only once|${invalid})$`)
  }),
  /^Unknown option ".*" in \S+(; did you mean "[\w-]+"\?)?$/,
  /^".*" in \S+ must be a string, a number or a boolean$/,
  /^Failed to read --config .+: .+$/,
  /^--config .+ must contain a JSON object(; line \d+, column \d+ is not JSON)?$/,
  /^--auth-token-file and (SECRET_BUS_AUTH_TOKEN|--clients) are mutually exclusive$/,
  /^SECRET_BUS_AUTH_TOKEN and --clients are mutually exclusive$/,
  /^--tls-(cert requires --tls-key|key requires --tls-cert|key-passphrase-file requires --tls-key)$/,
  /^--tls-client-(ca requires --tls-cert|(auth|crl) requires --tls-client-ca)$/,
  /^Unknown arguments?: .+$/,
]

/** An invalid value that names its source. Only messages with one of these beginnings may quote it. */
const wrong = (place: 'line' | 'env' | 'file', key: string) => `wrong:${place}:${key};`
const beginnings: Readonly<Record<string, (key: string) => string[]>> = {
  line: (key) => [`--${key} `, 'Unknown argument', 'Failed to read --config '],
  env: (key) => [`${variableOf(key)} `, '--config ', 'Failed to read --config '],
  file: (key) => [`${JSON.stringify(key)} in `],
}
const token = 'hush-hush'

/** Expects a known message on one line that quotes only the invalid value. */
function expectKnownError(error: unknown): void {
  if (!(error instanceof UsageError || error instanceof UnusableFile)) throw error
  const { message } = error
  expect(message).not.toMatch(/[\n\r]/)
  expect(sentences.filter((sentence) => sentence.test(message))).not.toEqual([])
  expect(message).not.toContain(token)
  for (const [quoted, place = '', key = ''] of message.matchAll(/wrong:(\w+):(.*?);/g)) {
    const mayQuote = beginnings[place]?.(key).some((beginning) => message.startsWith(beginning))
    expect(mayQuote, `${quoted} is quoted in ${message}`).toBe(true)
  }
}

const strange = [
  '--unknown',
  '--unknown=x',
  '--port.x=1',
  '--__proto__=x',
  '--__proto__.x=1',
  '--no-embedded',
  '--toString',
]
const value = (place: 'line' | 'env', flag: string) =>
  weighted<string>([6, valid(flag)], [1, anyText], [1, fc.constant(wrong(place, flag))])
const anyFlag = fc.constantFrom(...flags)
const args = fc
  .array(
    weighted<readonly string[]>(
      [8, anyFlag.chain((flag) => value('line', flag).map((value) => [`--${flag}=${value}`]))],
      [4, anyFlag.chain((flag) => value('line', flag).map((value) => [`--${flag}`, value]))],
      [1, fc.constantFrom(['--embedded'], ['--consistent-read'], ['--port'], ['serve'], ['--'])],
      [1, fc.constantFrom(['--auth-token-file=/a/file'], ['two\nlines'])],
      [1, fc.constant(['--code-name=a', '--code-name=a'])],
      [1, fc.constantFrom(...strange).map((arg) => [arg])],
    ),
    { maxLength: 3 },
  )
  .map((args) => args.flat())

const environment = fc
  .array(
    weighted<readonly [string, string]>(
      [4, anyFlag.chain((flag) => value('env', flag).map((value) => [variableOf(flag), value]))],
      [1, fc.constantFrom(['SECRET_BUS_PORT_80_TCP', 'x'], ['secret_bus_port', 'x'])],
      [1, fc.constant(['SECRET_BUS_AUTH_TOKEN', token])],
    ),
    { maxLength: 2 },
  )
  .map((entries) => Object.fromEntries(entries))

const key = weighted<string>([8, anyFlag], [1, fc.constantFrom('__proto__', 'constructor', 'authToken', 'two\nlines')])
const entry = key.chain((key) =>
  weighted<unknown>(
    [8, valid(key)],
    [1, fc.constantFrom(true, 7, 1e21, null, [], {})],
    [2, fc.constant(wrong('file', key))],
  )
    .chain((value) =>
      weighted<unknown>([4, fc.constant(value)], [1, fc.constantFrom([value], [value, value], { value })]),
    )
    .map((value) => [key, value] as const),
)
const file = weighted<string | undefined>(
  [2, fc.constant(undefined)],
  [4, fc.array(entry, { maxLength: 3 }).map(json)],
  [1, fc.constantFrom('', '7', 'null', `["${wrong('file', 'port')}"]`, `{"port":"${wrong('file', 'port')}"`)],
)

test('any input either gives valid options or is rejected with one known line', async () => {
  const property = fc.asyncProperty(args, environment, file, async (args, env, file) => {
    const loading = read(args, env, file)

    const options = await loading.catch((error: unknown) => expectKnownError(error))

    if (!options) return
    expect(args.filter((arg) => strange.includes(arg))).toEqual([])
    expect(Object.keys(JSON.parse(file ?? '{}')).filter((key) => !flags.includes(key))).toEqual([])
    const invalid = Object.entries(domains).filter(([name, contains]) => !contains(Reflect.get(options, name)))
    expect(invalid.map(([name]) => name)).toEqual([])
    expect(Object.keys(options).sort()).toEqual(Object.keys(domains).sort())
    expect(inspect(options) + JSON.stringify(options)).not.toContain(token)
    expect(Object.getPrototypeOf(options)).toBe(Object.prototype)
  })

  await fc.assert(property, { numRuns: 200 })

  expect(Object.keys(Object.prototype)).toEqual([])
})

test('an option has the same value from every source, and the source of highest precedence decides', async () => {
  const place = (flag: string) =>
    fc.record({
      flag: fc.constant(flag),
      text: valid(flag),
      place: fc.constantFrom('line', 'env', 'file'),
      others: fc.oneof(valid(flag), fc.constant('wrong')),
    })
  const given = fc
    .subarray(
      inFile.map(({ flag }) => flag).filter((flag) => !flag.startsWith('tls') && flag !== 'clients'), // excludes --auth-token-file
      { maxLength: 8 },
    )
    .chain((flags) => fc.tuple(...flags.map(place)))
  const property = fc.asyncProperty(given, async (given) => {
    // A relative path in the file is relative to the file.
    const isPathInFile = (flag: string, place: string, text: string) =>
      place === 'file' &&
      everyOption.some(
        (option) =>
          option.flag === flag &&
          (option.type === type.file || (option.type === type.module && type.isModulePath(text))),
      )
    const expected = await read(
      given.map(
        ({ flag, place, text }) => `--${flag}=${isPathInFile(flag, place, text) ? resolve(folder, text) : text}`,
      ),
    )
    const line = given.filter(({ place }) => place === 'line')
    const env = given.filter(({ place }) => place !== 'file')

    const options = await read(
      line.map(({ flag, text }) => `--${flag}=${text}`),
      Object.fromEntries(
        env.map(({ flag, place, text, others }) => [variableOf(flag), place === 'env' ? text : others]),
      ),
      json(given.map(({ flag, place, text, others }) => [flag, place === 'file' ? text : others])),
    )

    expect(options).toEqual(expected)
  })

  await fc.assert(property, { numRuns: 100 })
})

test('a duration is rounded to the nearest millisecond, and parsing keeps the order', () => {
  const units = { ms: 1n, s: 1_000n, m: 60_000n, h: 3_600_000n, d: 86_400_000n }
  const time = fc
    .tuple(fc.nat(100_000), fc.nat(9_999), fc.constantFrom(...Object.entries(units)))
    .map(([whole, part, [unit, ms]]) => ({
      text: `${whole}.${String(part).padStart(4, '0')}${unit}`,
      tenThousandths: (BigInt(whole) * 10_000n + BigInt(part)) * ms,
    }))

  fc.assert(
    fc.property(time, time, (one, other) => {
      const [lesser = one, greater = other] = [one, other].sort((a, b) => Number(a.tenThousandths - b.tenThousandths))
      const [less, more] = [lesser, greater].map(({ text }) => duration.parse(text) ?? Infinity)
      expect(less).toBeLessThanOrEqual(more ?? 0)
      if (less === undefined || less === Infinity) return
      const off = BigInt(less) * 10_000n - lesser.tenThousandths
      expect(off <= 5_000n && off >= -5_000n).toBe(true)
    }),
    { numRuns: 1_000 },
  )
})
