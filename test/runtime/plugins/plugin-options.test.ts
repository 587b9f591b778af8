/** Options, names and imports of plugins, in the program. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startTestService } from '../../support/service/test-service.ts'

/** Writes files into a folder that is removed at the end of the test, and returns its path. */
async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'plugin-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
  return folder
}

const hello = `
  import { channels, request } from 'secret-bus'
  import { Bus } from '@secret-bus/bus'

  export const options = {
    greeting: { type: 'text', default: 'Hello', describe: 'Word that greets' },
    pause: { type: 'duration', default: '1s', describe: 'Pause' },
    loud: { type: 'flag', describe: 'Shout' },
    polite: { type: 'flag', default: true, describe: 'Bow' },
    key: { type: 'secret', describe: 'Key of the API' },
  }
  export default (context) => (bus) => {
    bus.subscribe(channels.httpRoutes, (app) => {
      app.get('/hello', () => ({
        ...context.own,
        key: context.own.key?.reveal(),
        port: context.options.port,
        shared: context.channels === channels && context.request === request && bus instanceof Bus,
      }))
    })
  }
`
const defaults = { greeting: 'Hello', pause: 1_000, loud: false, polite: true, port: 0, shared: true }

describe('a plugin with options', () => {
  const start = async (args: readonly string[] = [], env: NodeJS.ProcessEnv = {}, config: object = {}) => {
    const folder = await folderWith({
      'hello.mjs': hello,
      'config.json': JSON.stringify({ plugin: 'hello.mjs', ...config }),
    })
    return startTestService(['--embedded', '--config', join(folder, 'config.json'), ...args], env)
  }
  const ask = async (...given: Parameters<typeof start>) => {
    const service = await start(...given)
    return (await fetch(`${await service.address()}/hello`)).json()
  }

  test('has their defaults, and shares the running instance of the library', async () => {
    expect(await ask()).toEqual(defaults)
  })

  test('has their values from flags, variables and the file', async () => {
    const values = await ask(
      ['--hello-loud', '--hello-pause', '2s'],
      { SECRET_BUS_HELLO_KEY: 'classified' },
      {
        'hello-greeting': 'Ahoy',
      },
    )

    expect(values).toEqual({ ...defaults, greeting: 'Ahoy', pause: 2_000, loud: true, key: 'classified' })
  })

  test('may have a flag without a value before --plugin', async () => {
    const folder = await folderWith({ 'hello.mjs': hello })
    const service = startTestService(['--hello-loud', '--embedded', '--plugin', join(folder, 'hello.mjs')])

    expect(await (await fetch(`${await service.address()}/hello`)).json()).toEqual({ ...defaults, loud: true })
  })

  test.for([
    [['--hello-pause', 'long'], '--hello-pause must be a duration up to 24d'],
    [['--hello-paus', '1s'], 'Unknown argument: hello-paus; did you mean --hello-pause?'],
    [['--hello-key', 'x'], 'Unknown argument: hello-key'],
  ] as const)('rejects %j in one line', async ([args, line]) => {
    const service = await start(args)

    expect(await service.exited).toBe(64)
    expect(service.stderr).toEqual([expect.stringContaining(line)])
  })

  test('is not loaded if it is given after --', async () => {
    const service = startTestService(['--', '--plugin', 'missing.mjs'])

    expect(await service.exited).toBe(64)
    expect(service.stderr.join()).toContain('Unknown argument: --plugin')
  })

  test('is in the help and the completion', async () => {
    const help = await start(['--help'])
    expect(await help.exited).toBe(0)
    expect(help.stdout.join('\n')).toMatch(/^hello\n +--hello-greeting +Word that greets +\[default: Hello\]/m)
    expect(help.stdout.join('\n')).toMatch(/--hello-loud +Shout\n +--hello-polite +Bow +\[default: true\]/)
    expect(help.stdout.join('\n')).toContain('SECRET_BUS_HELLO_KEY: Key of the API')

    const folder = await folderWith({ 'hello.mjs': hello })
    const words = [
      '--get-yargs-completions',
      'secret-bus',
      '--port',
      '0',
      '--plugin',
      join(folder, 'hello.mjs'),
      '--hello',
    ]
    const completion = startTestService(words)
    expect(await completion.exited).toBe(0)
    expect(completion.stdout.join('\n')).toContain('--hello-greeting')
  })

  test('is not loaded by the health check, which ignores its options in the file', async () => {
    const folder = await folderWith({
      'broken.mjs': 'throw new Error("no luck")',
      'config.json': JSON.stringify({ plugin: 'broken.mjs', 'broken-option': 1, port: 1 }),
    })
    const check = startTestService(['healthcheck', '--config', join(folder, 'config.json'), '--port', '1'])

    expect(await check.exited).toBe(1)
    expect(check.stderr).toEqual([expect.stringContaining('Unhealthy: http://127.0.0.1:1/health')])
  })
})

test('the help and the version are printed even if a plugin is broken', async () => {
  const folder = await folderWith({ 'broken.mjs': 'throw new Error("no luck")' })
  for (const arg of ['--help', '--version']) {
    const program = startTestService(['--plugin', join(folder, 'broken.mjs'), arg])

    expect(await program.exited).toBe(0)
    expect(program.stdout.length).toBeGreaterThan(0)
    expect(program.stderr).toEqual([expect.stringContaining('broken.mjs: no luck')])
  }
})

describe('the name of a plugin', () => {
  const subscriber = `export default ({ lifecycle }) => (bus) => {
    bus.subscribe(lifecycle.start, () => { throw new Error('no luck') })
  }`
  const failingName = async (file: string, content: string) => {
    const folder = await folderWith({ [file]: content })
    const service = startTestService(['--embedded', '--plugin', join(folder, file)])
    expect(await service.exited).toBe(70)
    return /"msg":"(\S+) failed on lifecycle\.start/.exec(service.stdout.join('\n'))?.[1]
  }

  test('is the one that it exports', async () => {
    expect(await failingName('file.mjs', `${subscriber}\nexport const name = 'other'`)).toBe('other')
  })

  test.each([
    ['file.mjs', 'file'],
    ['My Plugin_2.v1.mjs', 'my-plugin-2-v1'],
  ])('of %s is %s by default', async (file, name) => {
    expect(await failingName(file, subscriber)).toBe(name)
  })

  test.for<[string, Record<string, string>, RegExp]>([
    ['is invalid', { 'a.mjs': `${subscriber}\nexport const name = 'No name'` }, /a\.mjs: name must be words of a to z/],
    ['is used twice', { 'a.mjs': subscriber, 'b/a.mjs': subscriber }, /a\.mjs: its name a is also that of --plugin/],
    [
      'makes a flag that exists',
      { 'log.mjs': `${subscriber}\nexport const options = { level: { type: 'text', describe: 'x' } }` },
      /log\.mjs: option level must not use --log-level/,
    ],
    [
      'belongs to an invalid declaration',
      { 'a.mjs': `${subscriber}\nexport const options = { x: { type: 'string', describe: 'x' } }` },
      /a\.mjs: option x has the unknown type "string"; known are text/,
    ],
  ])('is reported in one line with 78 if it %s', async ([, files, line]) => {
    const folder = await folderWith(files)
    const args = Object.keys(files).flatMap((file) => ['--plugin', join(folder, file)])
    const service = startTestService(['--embedded', ...args])

    expect(await service.exited).toBe(78)
    expect(service.stderr).toEqual([expect.stringMatching(line)])
  })
})

describe('a plugin from a package', () => {
  const manifest = JSON.stringify({ name: '@scope/greeter', type: 'module', exports: './index.js' })
  const files = {
    'node_modules/@scope/greeter/package.json': manifest,
    'node_modules/@scope/greeter/index.js': hello,
    // Another copy of the library, which must not be used.
    'node_modules/secret-bus/package.json': JSON.stringify({ name: 'secret-bus', exports: './index.js' }),
    'node_modules/secret-bus/index.js': 'throw new Error("another copy")',
  }

  test('is found from the working directory, and its options have its name without the scope', async () => {
    const folder = await folderWith(files)
    const args = ['--embedded', '--plugin', '@scope/greeter', '--greeter-loud']
    const service = startTestService(args, {}, undefined, undefined, folder)

    expect(await (await fetch(`${await service.address()}/hello`)).json()).toEqual({ ...defaults, loud: true })
  })

  test('that is not installed is reported in one line', async () => {
    const service = startTestService(['--plugin', '@scope/missing'])

    expect(await service.exited).toBe(78)
    expect(service.stderr).toEqual([
      'secret-bus: --plugin @scope/missing: Neither a file nor an installed package has this name',
    ])
  })

  test('that fails to import is reported with its own error', async () => {
    const folder = await folderWith({ ...files, 'node_modules/@scope/greeter/index.js': 'import "./missing.js"' })
    const service = startTestService(['--plugin', '@scope/greeter'], {}, undefined, undefined, folder)

    expect(await service.exited).toBe(78)
    expect(service.stderr).toEqual([expect.stringMatching(/--plugin @scope\/greeter: .*missing\.js/)])
  })
})

test('two plugins that import one module share its channels', async () => {
  const folder = await folderWith({
    'shared.mjs': `import { request } from 'secret-bus'\nexport const add = request('add')`,
    'one.mjs': `import { add } from './shared.mjs'\nexport default () => (bus) => bus.provide(add, ([a, b]) => a + b)`,
    'two.mjs': `import { add } from './shared.mjs'
      export default ({ channels }) => (bus) => {
        bus.subscribe(channels.httpRoutes, (app) => { app.get('/sum', async () => ({ sum: await bus.request(add, [1, 2]) })) })
      }`,
  })
  const plugins = ['one.mjs', 'two.mjs'].flatMap((file) => ['--plugin', join(folder, file)])
  const service = startTestService(['--embedded', ...plugins])

  expect(await (await fetch(`${await service.address()}/sum`)).json()).toEqual({ sum: 3 })
})

test('a plugin that defines the channel of another one is reported with both files', async () => {
  const folder = await folderWith({
    'one.mjs': `import { request } from 'secret-bus'
      export default () => (bus) => bus.provide(request('secret.get'), () => 1)`,
  })
  const service = startTestService(['--embedded', '--plugin', join(folder, 'one.mjs')])

  expect(await service.exited).toBe(78)
  expect(service.stderr).toEqual([
    expect.stringMatching(/secret\.get already exists, see \S+src\/channels\.ts:\d+ and \S+one\.mjs:2/),
  ])
})
