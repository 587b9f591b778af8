import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { UnusableFile, UsageError } from '../../../src/errors.ts'
import { everyOption } from '../../../src/runtime/options/definitions.ts'
import { readOptions } from '../../../src/runtime/options/load.ts'
import * as type from '../../../src/runtime/options/types.ts'

/** What the command line, the environment and the file hold, as short as it can be written. */
interface Places {
  readonly line?: Readonly<Record<string, readonly string[]>>
  readonly env?: Readonly<Record<string, string>>
  readonly file?: unknown
}

async function read({ line = {}, env = {}, file }: Places) {
  const config = file === undefined ? {} : { config: [await configFile(JSON.stringify(file))] }
  return readOptions(new Map(Object.entries({ ...config, ...line })), env)
}

/** Writes a file that is removed when the test is finished. */
async function configFile(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'options.json')
  await writeFile(path, text)
  return path
}

/** What reading is rejected with. */
async function failure(reading: Promise<unknown>): Promise<Error> {
  const error = await reading.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (error instanceof Error) return error
  throw new Error('it was read without complaint')
}

/** The flags that may be given only once. */
const single = everyOption.filter(({ definition }) => !definition.repeatable).map(({ flag }) => flag)

describe('the defaults', () => {
  test('are those of the documentation, converted', async () => {
    expect(await read({})).toEqual({
      host: '127.0.0.1',
      port: 5_000,
      trustProxy: false,
      inspector: false,
      authTokenFile: undefined,
      tlsCert: undefined,
      tlsKey: undefined,
      codeNames: ['thedoctor'],
      table: 'devops-challenge',
      keyAttribute: 'code_name',
      valueAttribute: 'secret_code',
      region: undefined,
      dynamodbEndpoint: undefined,
      consistentRead: false,
      connectTimeout: 1_000,
      requestTimeout: 2_000,
      maxAttempts: 3,
      fetchTimeout: 5_000,
      embedded: false,
      cacheTtl: Infinity,
      maxStale: 3_600_000,
      negativeTtl: 2_000,
      drain: 0,
      shutdownTimeout: 10_000,
      container: undefined,
      project: undefined,
      logLevel: 'info',
      logFormat: 'auto',
      authToken: undefined,
      plugins: [],
      without: [],
      awsRegion: undefined,
      ecsMetadataUri: undefined,
    })
  })
})

/** What must stand beside an option that does not stand alone. */
const pairs = new Map([
  ['tls-cert', { 'tls-key': ['some'] }],
  ['tls-key', { 'tls-cert': ['some'] }],
])

describe('every option', () => {
  const texts = ['true', '7', '7s', 'eu-west-1', 'http://localhost', 'debug', 'json']
  const inFile = everyOption.filter(({ flag }) => flag !== 'config')
  const samples = inFile.map(({ flag, definition }) => {
    const variable = `SECRET_BUS_${flag.replaceAll('-', '_').toUpperCase()}`
    const text = texts.find((text) => definition.type.parse(text) !== undefined && text !== definition.default) ?? ''
    return { flag, variable, text, beside: pairs.get(flag) ?? {} }
  })

  test.each(samples)('reads $text alike from --$flag, $variable and the file', async (sample) => {
    const { flag, variable, text, beside } = sample
    const options = await read({ line: { [flag]: [text], ...beside } })

    expect(options).not.toEqual(await read({}))
    expect(await read({ env: { [variable]: text }, line: beside })).toEqual(options)
    expect(await read({ file: { [flag]: text }, line: beside })).toEqual(options)
  })
})

describe('the place that counts', () => {
  const cases = [
    {
      flag: 'port',
      variable: 'SECRET_BUS_PORT',
      property: 'port',
      texts: ['1', '2', '3'],
      values: [1, 2, 3],
      byDefault: 5_000,
    },
    {
      flag: 'cache-ttl',
      variable: 'SECRET_BUS_CACHE_TTL',
      property: 'cacheTtl',
      texts: ['1s', '0', '10m'],
      values: [1_000, 0, 600_000],
      byDefault: Infinity,
    },
    {
      flag: 'trust-proxy',
      variable: 'SECRET_BUS_TRUST_PROXY',
      property: 'trustProxy',
      texts: ['false', 'true', 'false'],
      values: [false, true, false],
      byDefault: false,
    },
    {
      flag: 'code-name',
      variable: 'SECRET_BUS_CODE_NAME',
      property: 'codeNames',
      texts: ['rose', 'martha', 'donna'],
      values: [['rose'], ['martha'], ['donna']],
      byDefault: ['thedoctor'],
    },
    {
      flag: 'region',
      variable: 'SECRET_BUS_REGION',
      property: 'region',
      texts: ['eu-west-1', 'eu-west-2', 'eu-west-3'],
      values: ['eu-west-1', 'eu-west-2', 'eu-west-3'],
      byDefault: undefined,
    },
  ] as const

  test.each(cases)(
    'for --$flag is the command line, then the variable, then the file, then the default',
    async (option) => {
      const { flag, variable, property, texts, values, byDefault } = option
      const file = { [flag]: texts[2] }
      const env = { [variable]: texts[1] }
      const line = { [flag]: [texts[0]] }

      expect(await read({ file, env, line })).toHaveProperty(property, values[0])
      expect(await read({ file, env })).toHaveProperty(property, values[1])
      expect(await read({ file })).toHaveProperty(property, values[2])
      expect(await read({})).toHaveProperty(property, byDefault)
    },
  )

  test('is chosen for each option by itself', async () => {
    const options = await read({
      line: { host: ['::1'] },
      env: { SECRET_BUS_PORT: '1', SECRET_BUS_HOST: '::2' },
      file: { drain: '1s' },
    })

    expect(options).toMatchObject({ host: '::1', port: 1, drain: 1_000 })
  })

  test('is not an empty variable', async () => {
    const env = { SECRET_BUS_PORT: '', SECRET_BUS_CODE_NAME: '', SECRET_BUS_CONFIG: '' }

    expect(await read({ env, file: { port: 7 } })).toMatchObject({ port: 7, codeNames: ['thedoctor'] })
  })
})

describe('variables', () => {
  test('of our prefix that are none of ours are left alone', async () => {
    const env = {
      SECRET_BUS_PORT_5000_TCP: 'tcp://10.0.0.1:5000',
      SECRET_BUS_SERVICE_HOST: '10.0.0.1',
      SECRET_BUS_: 'x',
      secret_bus_port: '1',
    }

    expect(await read({ env })).toEqual(await read({}))
  })

  test('the metadata endpoint is where ECS says that it is', async () => {
    const { ecsMetadataUri } = await read({ env: { ECS_CONTAINER_METADATA_URI_V4: 'http://169.254.170.2/v4/id' } })

    expect(ecsMetadataUri).toBe('http://169.254.170.2/v4/id')
  })

  test('an empty metadata endpoint is none', async () => {
    expect((await read({ env: { ECS_CONTAINER_METADATA_URI_V4: '' } })).ecsMetadataUri).toBeUndefined()
  })
})

describe('an option that may be repeated', () => {
  test('is repeated on the command line, where commas are part of the value', async () => {
    const { codeNames } = await read({ line: { 'code-name': ['rose,tyler', 'martha'] } })

    expect(codeNames).toEqual(['rose,tyler', 'martha'])
  })

  test('splits at commas in a variable', async () => {
    expect((await read({ env: { SECRET_BUS_CODE_NAME: 'rose,martha' } })).codeNames).toEqual(['rose', 'martha'])
  })

  test('is an array in the file, or one value', async () => {
    expect((await read({ file: { 'code-name': ['rose,tyler', 'martha'] } })).codeNames).toEqual([
      'rose,tyler',
      'martha',
    ])
    expect((await read({ file: { 'code-name': 'rose,tyler' } })).codeNames).toEqual(['rose,tyler'])
  })

  test('is not given by an empty array', async () => {
    expect((await read({ file: { 'code-name': [] } })).codeNames).toEqual(['thedoctor'])
  })

  test('takes each value once, in the order given', async () => {
    const { codeNames } = await read({ line: { 'code-name': ['rose', 'martha', 'rose', 'donna', 'martha'] } })

    expect(codeNames).toEqual(['rose', 'martha', 'donna'])
  })

  test('checks every value', async () => {
    const { message } = await failure(read({ env: { SECRET_BUS_CODE_NAME: 'rose,' } }))

    expect(message).toBe('SECRET_BUS_CODE_NAME is "", but must be a key of 1 to 2048 bytes')
  })
})

describe('an option that may not', () => {
  test.each([...single, 'config'])('is refused when --%s is given twice', async (flag) => {
    const file = await configFile('{}')

    const error = await failure(read({ line: { [flag]: [file, file] } }))

    expect(error).toBeInstanceOf(UsageError)
    expect(error.message).toBe(`--${flag} may be given only once`)
  })

  test('is refused as a list in the file', async () => {
    const error = await failure(read({ file: { port: [1, 2] } }))

    expect(error).toMatchObject({
      exitCode: 64,
      message: expect.stringMatching(/^"port" in .* may be given only once$/),
    })
  })

  test('keeps the commas of its variable', async () => {
    expect((await read({ env: { SECRET_BUS_PROJECT: 'a,b' } })).project).toBe('a,b')
  })
})

describe('a wrong value', () => {
  test('on the command line names the flag, what was given and what is allowed', async () => {
    const error = await failure(read({ line: { port: ['http'] } }))

    expect(error).toBeInstanceOf(UsageError)
    expect(error).toMatchObject({ exitCode: 64, code: 'USAGE' })
    expect(error.message).toBe('--port is "http", but must be a whole number from 0 to 65535')
  })

  test('in a variable names the variable', async () => {
    const error = await failure(read({ env: { SECRET_BUS_CACHE_TTL: '10' } }))

    expect(error).toMatchObject({ exitCode: 64 })
    expect(error.message).toBe(`SECRET_BUS_CACHE_TTL is "10", but must be ${type.lifetime.allowed}`)
  })

  test('in the file names the key and the file', async () => {
    const file = await configFile('{ "max-attempts": 11 }')

    const error = await failure(read({ line: { config: [file] } }))

    expect(error).toMatchObject({ exitCode: 64 })
    expect(error.message).toBe(`"max-attempts" in ${file} is "11", but must be a whole number from 1 to 10`)
  })

  test('counts even where a default would do', async () => {
    expect(await failure(read({ line: { 'log-level': [''] } }))).toBeInstanceOf(UsageError)
  })

  test('does not count where a place before has a good one', async () => {
    expect(await read({ line: { port: ['1'] }, env: { SECRET_BUS_PORT: 'http' } })).toHaveProperty('port', 1)
  })

  test.each(['host', 'table', 'code-name', 'embedded', 'config'])(
    'is what nothing at all is for --%s',
    async (flag) => {
      expect(await failure(read({ line: { [flag]: [''] } }))).toMatchObject({ exitCode: 64 })
    },
  )

  test('is told in one line, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...single), fc.string({ unit: 'binary' }), async (flag, text) => {
        const told = await read({ line: { [flag]: [`${text}\n`] } }).then(
          () => 'nothing, since it is not wrong',
          (error: Error) => error.message,
        )
        expect(told.split('\n')).toHaveLength(1)
      }),
    )
  })
})

describe('the file', () => {
  test('may hold numbers and booleans as they are', async () => {
    const options = await read({ file: { port: 8080, 'max-attempts': '2', embedded: true, 'trust-proxy': 'true' } })

    expect(options).toMatchObject({ port: 8_080, maxAttempts: 2, embedded: true, trustProxy: true })
  })

  test('may be named by a variable', async () => {
    const file = await configFile('{ "port": 7 }')

    expect(await read({ env: { SECRET_BUS_CONFIG: file } })).toHaveProperty('port', 7)
  })

  test('of the command line replaces that of the variable', async () => {
    const file = await configFile('{ "port": 7 }')

    expect(await read({ file: { host: '::1' }, env: { SECRET_BUS_CONFIG: file } })).toMatchObject({
      host: '::1',
      port: 5_000,
    })
  })

  test.each(['prot', 'cacheTtl', 'config', 'codeNames', '__proto__', 'constructor'])('may not hold %s', async (key) => {
    const file = await configFile(`{ ${JSON.stringify(key)}: 1 }`)

    const error = await failure(read({ line: { config: [file] } }))

    expect(error).toBeInstanceOf(UsageError)
    expect(error).toMatchObject({ exitCode: 64, message: `"${key}" in ${file} is not an option` })
  })

  test('is told of in one line, whatever it holds', async () => {
    const { message } = await failure(read({ file: { 'a\nb': 1 } }))

    expect(message.split('\n')).toHaveLength(1)
  })

  test.each([
    ['null', { table: null }],
    ['null in a list', { 'code-name': ['rose', null] }],
    ['an object', { 'code-name': { rose: 'tyler' } }],
    ['a list in a list', { 'code-name': [['rose', 'martha']] }],
  ])('has no value that is %s', async (_what, file) => {
    expect(await failure(read({ file }))).toMatchObject({ exitCode: 64 })
  })
})

describe('a file that is of no use', () => {
  test.each([
    ['is not JSON', 'sentinel = 1'],
    ['ends too early', '{ "table": "sentinel"'],
    ['is empty', ''],
    ['holds a list', '["sentinel"]'],
    ['holds a text', '"sentinel"'],
    ['holds null', 'null'],
  ])('because it %s is named, and not quoted', async (_why, content) => {
    const file = await configFile(content)

    const error = await failure(read({ line: { config: [file] } }))

    expect(error).toBeInstanceOf(UnusableFile)
    expect(error).toMatchObject({ exitCode: 78, code: 'UNUSABLE_FILE' })
    expect(error.message).toBe(`--config ${file} does not hold a JSON object`)
    expect(error.cause).toBeUndefined()
  })

  test('because it is not there is named', async () => {
    const file = join(tmpdir(), 'secret-bus-no-such-file.json')

    const error = await failure(read({ line: { config: [file] } }))

    expect(error).toBeInstanceOf(UnusableFile)
    expect(error).toMatchObject({ exitCode: 78 })
    expect(error.message).toContain('--config')
    expect(error.message).toContain(file)
  })

  test('because it is a folder is named', async () => {
    const error = await failure(read({ line: { config: [tmpdir()] } }))

    expect(error).toBeInstanceOf(UnusableFile)
    expect(error).toMatchObject({ exitCode: 78 })
    expect(error.message).toContain(tmpdir())
  })

  test('counts too when a variable names it', async () => {
    const error = await failure(read({ env: { SECRET_BUS_CONFIG: '/no/such/file' } }))

    expect(error).toMatchObject({ exitCode: 78, message: expect.stringContaining('/no/such/file') })
  })
})
