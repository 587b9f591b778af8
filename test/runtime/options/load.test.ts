import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { UnusableFile, UsageError } from '../../../src/errors.ts'
import * as type from '../../../src/runtime/options/types.ts'
import { everyOption, readOptions } from '../../support/service/options.ts'

/** The values of the command line, the environment and the file. */
interface Sources {
  readonly line?: Readonly<Record<string, readonly string[]>>
  readonly env?: Readonly<Record<string, string>>
  readonly file?: unknown
}

async function read({ line = {}, env = {}, file }: Sources) {
  const config = file === undefined ? {} : { config: [await configFile(JSON.stringify(file))] }
  return readOptions(new Map(Object.entries({ ...config, ...line })), env)
}

/** Writes a file that is removed at the end of the test. */
async function configFile(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'options.json')
  await writeFile(path, text)
  return path
}

/** The error that the promise rejects with. */
async function failure(loading: Promise<unknown>): Promise<Error> {
  const error = await loading.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (error instanceof Error) return error
  throw new Error('the options were accepted')
}

/** The flags that can be given only once. */
const single = everyOption.filter(({ repeatable }) => !repeatable).map(({ flag }) => flag)

describe('the defaults', () => {
  test('are converted like other values', async () => {
    expect(await read({})).toEqual({
      host: '127.0.0.1',
      port: 5_000,
      trustProxy: false,
      allowAnonymous: false,
      accessLog: false,
      inspector: false,
      authTokenFile: undefined,
      clientsFile: undefined,
      clients: undefined,
      privateCodeNames: [],
      clientsSecret: undefined,
      tlsCert: undefined,
      tlsKey: undefined,
      tlsKeyPassphraseFile: undefined,
      tlsClientCa: undefined,
      tlsClientAuth: 'required',
      tlsClientCrl: undefined,
      watchFiles: 10_000,
      keepAliveTimeout: 72_000,
      codeNames: ['thedoctor'],
      table: 'devops-challenge',
      keyAttribute: 'code_name',
      valueAttribute: 'secret_code',
      region: undefined,
      dynamodbEndpoint: undefined,
      consistentRead: true,
      connectTimeout: 1_000,
      requestTimeout: 2_000,
      maxAttempts: 3,
      fetchTimeout: 5_000,
      embedded: false,
      cacheTtl: Infinity,
      maxStale: 3_600_000,
      minRefreshInterval: 1_000,
      negativeTtl: 2_000,
      drain: 0,
      shutdownTimeout: 10_000,
      reloadTimeout: 30_000,
      container: undefined,
      project: undefined,
      logLevel: 'info',
      logFormat: 'auto',
      logWhenFull: 'drop',
      authToken: undefined,
      plugins: [],
      without: [],
      ecsMetadataUri: undefined,
      caBundle: undefined,
    })
  })
})

/** The options that an option requires. */
const certificate = { 'tls-cert': ['some'], 'tls-key': ['some'] }
const required = new Map<string, Record<string, string[]>>([
  ['tls-cert', { 'tls-key': ['some'] }],
  ['tls-key', { 'tls-cert': ['some'] }],
  ['tls-key-passphrase-file', certificate],
  ['tls-client-ca', certificate],
  ['tls-client-auth', { ...certificate, 'tls-client-ca': ['some'] }],
  ['tls-client-crl', { ...certificate, 'tls-client-ca': ['some'] }],
])

describe('every option', () => {
  const texts = ['true', 'false', '7', '7s', 'eu-west-1', 'http://localhost', 'debug', 'json', 'block', 'optional']
  const inFile = everyOption.filter(({ flag }) => flag !== 'config')
  const samples = inFile.map((option) => {
    const { flag, variable } = option
    const text = texts.find((text) => option.type.parse(text) !== undefined && text !== String(option.default)) ?? ''
    return { flag, variable, text, others: required.get(flag) ?? {} }
  })

  test.each(samples)('has the same value $text from --$flag, $variable and the file', async (sample) => {
    const { flag, variable, text, others } = sample
    const options = await read({ line: { [flag]: [text], ...others } })

    expect(options).not.toEqual(await read({}))
    expect(await read({ env: { [variable]: text }, line: others })).toEqual(options)
    // A relative path in the file would be relative to the file.
    const inFile = everyOption.find((option) => option.flag === flag)?.type === type.file ? resolve(text) : text
    const { [flag]: _, ...line } = { [flag]: [inFile], ...others } as Record<string, readonly string[]>
    expect(await read({ file: { [flag]: inFile }, line })).toEqual(await read({ line: { ...line, [flag]: [inFile] } }))
  })
})

describe('the precedence of sources', () => {
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

  test.each(cases)('of --$flag is command line, variable, file, default', async (option) => {
    const { flag, variable, property, texts, values, byDefault } = option
    const file = { [flag]: texts[2] }
    const env = { [variable]: texts[1] }
    const line = { [flag]: [texts[0]] }

    expect(await read({ file, env, line })).toHaveProperty(property, values[0])
    expect(await read({ file, env })).toHaveProperty(property, values[1])
    expect(await read({ file })).toHaveProperty(property, values[2])
    expect(await read({})).toHaveProperty(property, byDefault)
  })

  test('applies to each option separately', async () => {
    const options = await read({
      line: { host: ['::1'] },
      env: { SECRET_BUS_PORT: '1', SECRET_BUS_HOST: '::2' },
      file: { drain: '1s' },
    })

    expect(options).toMatchObject({ host: '::1', port: 1, drain: 1_000 })
  })

  test('skips an empty variable', async () => {
    const env = { SECRET_BUS_PORT: '', SECRET_BUS_CODE_NAME: '', SECRET_BUS_CONFIG: '' }

    expect(await read({ env, file: { port: 7 } })).toMatchObject({ port: 7, codeNames: ['thedoctor'] })
  })
})

describe('variables of the AWS SDK', () => {
  const env = { AWS_REGION: 'eu-west-1', AWS_MAX_ATTEMPTS: '7' }

  test('have the lowest precedence', async () => {
    expect(await read({ env })).toMatchObject({ region: 'eu-west-1', maxAttempts: 7 })
    expect(await read({ env, file: { region: 'eu-west-2', 'max-attempts': 3 } })).toMatchObject({
      region: 'eu-west-2',
      maxAttempts: 3,
    })
    expect(await read({ env, line: { 'max-attempts': ['3'] } })).toHaveProperty('maxAttempts', 3)
  })

  test('count as unset if they are empty', async () => {
    expect(await read({ env: { AWS_REGION: '', AWS_MAX_ATTEMPTS: '', AWS_CA_BUNDLE: '' } })).toEqual(await read({}))
  })

  test.each(['eu-central-1 ', ' ', '"eu-central-1"', "'eu-central-1'", 'eu-central-1\n', 'eu central 1', 'a/b', 'a.b'])(
    'are rejected like the option: the region %j',
    async (region) => {
      const error = await failure(read({ env: { AWS_REGION: region } }))

      expect(error).toMatchObject({ exitCode: 64 })
      expect(error.message).toBe(
        `AWS_REGION must be an AWS region, such as eu-central-1, received ${JSON.stringify(region)}`,
      )
    },
  )

  test.each(['0', '11', 'many', '1.5', '-1'])('are rejected like the option: %j attempts', async (attempts) => {
    expect(await failure(read({ env: { AWS_MAX_ATTEMPTS: attempts } }))).toMatchObject({
      exitCode: 64,
      message: `AWS_MAX_ATTEMPTS must be a whole number from 1 to 10, received "${attempts}"`,
    })
  })
})

describe('environment variables', () => {
  const numeric = everyOption.filter(({ type, default: text = '' }) => typeof type.parse(text) === 'number')

  test.each(numeric.map(({ flag }) => flag))(
    'that Kubernetes sets to a URL do not change the number of --%s',
    async (flag) => {
      const variable = `SECRET_BUS_${flag.toUpperCase().replaceAll('-', '_')}`

      expect(await read({ env: { [variable]: 'tcp://10.96.0.12:5000' } })).toEqual(await read({}))
      expect(await failure(read({ line: { [flag]: ['tcp://10.96.0.12:5000'] } }))).toMatchObject({ exitCode: 64 })
    },
  )

  test('with the prefix SECRET_BUS_ that are not options are ignored', async () => {
    const env = {
      SECRET_BUS_PORT_5000_TCP: 'tcp://10.0.0.1:5000',
      SECRET_BUS_SERVICE_HOST: '10.0.0.1',
      SECRET_BUS_: 'x',
      secret_bus_port: '1',
    }

    expect(await read({ env })).toEqual(await read({}))
  })

  test('include the ECS metadata endpoint', async () => {
    const { ecsMetadataUri } = await read({ env: { ECS_CONTAINER_METADATA_URI_V4: 'http://169.254.170.2/v4/id' } })

    expect(ecsMetadataUri).toBe('http://169.254.170.2/v4/id')
  })

  test('with an empty metadata endpoint count as unset', async () => {
    expect((await read({ env: { ECS_CONTAINER_METADATA_URI_V4: '' } })).ecsMetadataUri).toBeUndefined()
  })
})

describe('a repeatable option', () => {
  test('keeps commas in values on the command line', async () => {
    const { codeNames } = await read({ line: { 'code-name': ['rose,tyler', 'martha'] } })

    expect(codeNames).toEqual(['rose,tyler', 'martha'])
  })

  test('splits a variable at commas', async () => {
    expect((await read({ env: { SECRET_BUS_CODE_NAME: 'rose,martha' } })).codeNames).toEqual(['rose', 'martha'])
  })

  test('is an array or a single value in the file', async () => {
    expect((await read({ file: { 'code-name': ['rose,tyler', 'martha'] } })).codeNames).toEqual([
      'rose,tyler',
      'martha',
    ])
    expect((await read({ file: { 'code-name': 'rose,tyler' } })).codeNames).toEqual(['rose,tyler'])
  })

  test('has its default if the array in the file is empty', async () => {
    expect((await read({ file: { 'code-name': [] } })).codeNames).toEqual(['thedoctor'])
  })

  test('removes duplicates and keeps the order', async () => {
    const { codeNames } = await read({ line: { 'code-name': ['rose', 'martha', 'rose', 'donna', 'martha'] } })

    expect(codeNames).toEqual(['rose', 'martha', 'donna'])
  })

  test('validates every value', async () => {
    const { message } = await failure(read({ env: { SECRET_BUS_CODE_NAME: 'rose,' } }))

    expect(message).toBe('SECRET_BUS_CODE_NAME must be a key of 1 to 2048 bytes, received ""')
  })
})

describe('a single option', () => {
  test.each([...single, 'config'])('is rejected if --%s is given twice', async (flag) => {
    const file = await configFile('{}')

    const error = await failure(read({ line: { [flag]: [file, file] } }))

    expect(error).toBeInstanceOf(UsageError)
    expect(error.message).toBe(`--${flag} must be given only once`)
  })

  test('is rejected as an array in the file', async () => {
    const error = await failure(read({ file: { port: [1, 2] } }))

    expect(error).toMatchObject({
      exitCode: 64,
      message: expect.stringMatching(/^"port" in .* must be given only once$/),
    })
  })

  test('keeps commas in its variable', async () => {
    expect((await read({ env: { SECRET_BUS_PROJECT: 'a,b' } })).project).toBe('a,b')
  })
})

describe('an invalid value', () => {
  test('on the command line is reported with the flag, the constraint and the value', async () => {
    const error = await failure(read({ line: { port: ['http'] } }))

    expect(error).toBeInstanceOf(UsageError)
    expect(error).toMatchObject({ exitCode: 64, code: 'USAGE' })
    expect(error.message).toBe('--port must be a whole number from 0 to 65535, received "http"')
  })

  test('in a variable is reported with the variable', async () => {
    const error = await failure(read({ env: { SECRET_BUS_CACHE_TTL: '10' } }))

    expect(error).toMatchObject({ exitCode: 64 })
    expect(error.message).toBe(`SECRET_BUS_CACHE_TTL must be ${type.lifetime.allowed}, received "10"`)
  })

  test('in the file is reported with the key and the file', async () => {
    const file = await configFile('{ "max-attempts": 11 }')

    const error = await failure(read({ line: { config: [file] } }))

    expect(error).toMatchObject({ exitCode: 64 })
    expect(error.message).toBe(`"max-attempts" in ${file} must be a whole number from 1 to 10, received "11"`)
  })

  test('is not replaced by the default', async () => {
    expect(await failure(read({ line: { 'log-level': [''] } }))).toBeInstanceOf(UsageError)
  })

  test('is ignored if a source of higher precedence has a value', async () => {
    expect(await read({ line: { port: ['1'] }, env: { SECRET_BUS_PORT: 'http' } })).toHaveProperty('port', 1)
  })

  test.each(['host', 'table', 'code-name', 'embedded', 'config'])('includes an empty text for --%s', async (flag) => {
    expect(await failure(read({ line: { [flag]: [''] } }))).toMatchObject({ exitCode: 64 })
  })

  test('is always reported in one line', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...single), fc.string({ unit: 'binary' }), async (flag, text) => {
        const message = await read({ line: { [flag]: [`${text}\n`] } }).then(
          () => 'accepted',
          (error: Error) => error.message,
        )
        expect(message.split('\n')).toHaveLength(1)
      }),
    )
  })
})

describe('the config file', () => {
  test('may begin with a byte order mark', async () => {
    const file = await configFile('\ufeff{ "port": 7 }')

    expect(await read({ line: { config: [file] } })).toHaveProperty('port', 7)
  })

  test('contains paths relative to its folder', async () => {
    const file = await configFile('{ "plugin": ["a.mjs", "/b.mjs"], "auth-token-file": "x/token", "table": "name" }')

    expect(await read({ line: { config: [file] } })).toMatchObject({
      plugins: [join(dirname(file), 'a.mjs'), '/b.mjs'],
      authTokenFile: join(dirname(file), 'x/token'),
      table: 'name',
    })
  })

  test('must not contain an empty path', async () => {
    expect(await failure(read({ file: { 'auth-token-file': '' } }))).toMatchObject({ exitCode: 64 })
  })

  test('can contain numbers and booleans', async () => {
    const options = await read({ file: { port: 8080, 'max-attempts': '2', embedded: true, 'trust-proxy': 'true' } })

    expect(options).toMatchObject({ port: 8_080, maxAttempts: 2, embedded: true, trustProxy: true })
  })

  test('can be named by a variable', async () => {
    const file = await configFile('{ "port": 7 }')

    expect(await read({ env: { SECRET_BUS_CONFIG: file } })).toHaveProperty('port', 7)
  })

  test('named on the command line replaces the one named by a variable', async () => {
    const file = await configFile('{ "port": 7 }')

    expect(await read({ file: { host: '::1' }, env: { SECRET_BUS_CONFIG: file } })).toMatchObject({
      host: '::1',
      port: 5_000,
    })
  })

  test.each([
    ['prot', '; did you mean "port"?'],
    ['cacheTtl', '; did you mean "cache-ttl"?'],
    ['codeNames', '; did you mean "code-name"?'],
    ['config', ''],
    ['__proto__', ''],
    ['constructor', ''],
  ])('must not contain %s', async (key, suggestion) => {
    const file = await configFile(`{ ${JSON.stringify(key)}: 1 }`)

    const error = await failure(read({ line: { config: [file] } }))

    expect(error).toBeInstanceOf(UsageError)
    expect(error).toMatchObject({ exitCode: 64, message: `Unknown option "${key}" in ${file}${suggestion}` })
  })

  test('is reported in one line if a key contains a line break', async () => {
    const { message } = await failure(read({ file: { 'a\nb': 1 } }))

    expect(message.split('\n')).toHaveLength(1)
  })

  test.each([
    ['null', { table: null }],
    ['an array with null', { 'code-name': ['rose', null] }],
    ['an object', { 'code-name': { rose: 'tyler' } }],
    ['an array in an array', { 'code-name': [['rose', 'martha']] }],
  ])('must not have the value %s', async (_what, file) => {
    expect(await failure(read({ file }))).toMatchObject({ exitCode: 64 })
  })
})

describe('an unusable config file', () => {
  test.each([
    ['not JSON', 'sentinel = 1', '; line 1, column 1 is not JSON'],
    ['truncated', '{\n  "table": "sentinel"', '; line 2, column 22 is not JSON'],
    ['empty', '', '; line 1, column 1 is not JSON'],
    ['an array', '["sentinel"]', ''],
    ['a string', '"sentinel"', ''],
    ['null', 'null', ''],
  ])('is named and not quoted if it is %s', async (_why, content, where) => {
    const file = await configFile(content)

    const error = await failure(read({ line: { config: [file] } }))

    expect(error).toBeInstanceOf(UnusableFile)
    expect(error).toMatchObject({ exitCode: 78, code: 'UNUSABLE_FILE' })
    expect(error.message).toBe(`--config ${file} must contain a JSON object${where}`)
    expect(error.cause).toBeUndefined()
  })

  test('is named if it is missing', async () => {
    const file = join(tmpdir(), 'secret-bus-no-such-file.json')

    const error = await failure(read({ line: { config: [file] } }))

    expect(error).toBeInstanceOf(UnusableFile)
    expect(error).toMatchObject({ exitCode: 78 })
    expect(error.message).toContain('--config')
    expect(error.message).toContain(file)
  })

  test('is named if it is a directory', async () => {
    const error = await failure(read({ line: { config: [tmpdir()] } }))

    expect(error).toBeInstanceOf(UnusableFile)
    expect(error).toMatchObject({ exitCode: 78 })
    expect(error.message).toContain(tmpdir())
  })

  test('is also rejected if a variable names it', async () => {
    const error = await failure(read({ env: { SECRET_BUS_CONFIG: '/no/such/file' } }))

    expect(error).toMatchObject({ exitCode: 78, message: expect.stringContaining('/no/such/file') })
  })
})
