import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const run = promisify(execFile)
const project = fileURLToPath(new URL('../..', import.meta.url))
const manifest = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'))

/** A project that has installed the package and nothing else. */
let home: string
/** The files in the tarball. */
let files: string[]

const installed = (...path: string[]) => join(home, 'node_modules', manifest.name, ...path)

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'secret-bus-'))
  const tarball = await pack()
  await mkdir(installed(), { recursive: true })
  await run('tar', ['-xzf', tarball, '-C', installed(), '--strip-components=1'])
  files = (await run('tar', ['-tzf', tarball])).stdout.trim().split('\n')
  // Links the dependencies and the types of Node.js, because the test has no network.
  for (const name of [...Object.keys(manifest.dependencies), '@types/node']) await link(name)
  await writeFile(join(home, 'package.json'), '{ "type": "module" }')
}, 60_000)

afterAll(() => rm(home, { recursive: true }))

/** Builds and packs the project, with the npm that runs these tests if there is one. */
async function pack(): Promise<string> {
  const { npm_execpath: npm } = process.env
  const [command, ...args] = npm ? [process.execPath, npm] : ['npm']
  await run(command, [...args, 'pack', '--silent', '--pack-destination', home], { cwd: project })
  const [tarball, ...others] = (await readdir(home)).filter((name) => name.endsWith('.tgz'))
  if (tarball === undefined || others.length > 0) throw new Error('npm pack must create exactly one tarball')
  return join(home, tarball)
}

async function link(name: string): Promise<void> {
  const path = join(home, 'node_modules', name)
  await mkdir(dirname(path), { recursive: true })
  await symlink(join(project, 'node_modules', name), path, 'dir')
}

describe('the package', () => {
  test('contains only the build, package.json, the documentation and the license', () => {
    const others = files.map((file) => file.replace(/^package\//, '')).filter((file) => !file.startsWith('dist/'))

    expect(others).toEqual(expect.arrayContaining(['LICENSE', 'package.json']))
    expect(others.filter((file) => !/^(LICENSE|package\.json|README\.md|CHANGELOG\.md)$/.test(file))).toEqual([])
  })

  test('contains a module and its types for every source', async () => {
    const sources = (await readdir(join(project, 'src'), { recursive: true })).filter((file) =>
      /(?<!\.d)\.ts$/.test(file),
    )

    const expected = sources.flatMap((file) =>
      ['.js', '.d.ts'].map((end) => `package/dist/${file.replace(/\.ts$/, end)}`),
    )
    expect(files).toEqual(expect.arrayContaining(expected))
  })

  test('contains nothing that was built from a deleted source', async () => {
    const built = files.filter((file) => file.startsWith('package/dist/')).map((file) => file.slice(13))

    const sources = await readdir(join(project, 'src'), { recursive: true })
    const compiled = (file: string) => file.replace(/(\.d\.ts|\.js|\.js\.map)$/, '.ts')
    const orphans = built.filter((file) => !sources.includes(compiled(file)) && !sources.includes(file))
    expect(orphans).toEqual([])
  })
})

describe('a program in JavaScript', () => {
  test('creates a bus', async () => {
    await writeFile(
      join(home, 'program.js'),
      `import { event, lifecycle, ProcessBus, request } from 'secret-bus'

      const greet = request('greet')
      const rang = event('rang')
      const bus = new ProcessBus()
      bus.use('greeter', (bus) => {
        bus.subscribe(lifecycle.start, () => console.log('started'))
        bus.provide(greet, ({ name }) => 'hello ' + name)
        bus.subscribe(rang, (times) => times * 2)
      })
      await bus.start()
      console.log(await bus.request(greet, { name: 'rose' }))
      console.log(await bus.publish(rang, 21))
      console.log(await bus.exit(), bus.state)
      `,
    )

    const { stdout } = await run(process.execPath, ['program.js'], { cwd: home })

    expect(stdout).toBe('started\nhello rose\n[ 42 ]\n0 EXITING\n')
  })

  test('tests a plugin with the test runner of Node.js', async () => {
    await writeFile(
      join(home, 'plugin.test.js'),
      `import assert from 'node:assert'
      import { test } from 'node:test'
      import { channels, Sensitive } from 'secret-bus'
      import { fakeProvider, pluginContext, startHttp, startService } from 'secret-bus/testing'

      const shout = ({ channels, options }) => (bus) => {
        const ask = bus.requester(channels.getSecret)
        bus.subscribe(channels.httpRoutes, (app) => {
          app.get('/shout', async () => (await ask({ codeName: options.codeNames[0] })).value.reveal().toUpperCase())
        })
      }
      const secret = ({ codeName }) => ({ codeName, value: new Sensitive('bad wolf'), fetchedAt: Date.now() })
      const flags = { 'code-name': 'rose', without: 'dynamodb' }

      test('alone', async () => {
        const secrets = fakeProvider(channels.getSecret, secret)
        await using service = await startHttp({ secrets, shout: shout(await pluginContext(flags)) })
        assert.equal(await (await fetch(service.origin + '/shout')).text(), 'BAD WOLF')
        assert.deepEqual(secrets.queries, [{ codeName: 'rose' }])
      })

      test('within the service', async () => {
        const source = fakeProvider(channels.fetchSecret, secret)
        await using service = await startService({ source, shout: shout(await pluginContext(flags)) }, flags)
        assert.equal(await (await fetch(service.origin + '/shout')).text(), 'BAD WOLF')
      })
      `,
    )

    // With an empty environment, because Node.js otherwise reports to the test run that started it.
    const { stdout } = await run(process.execPath, ['--test-reporter', 'tap', 'plugin.test.js'], { cwd: home, env: {} })

    expect(stdout).toContain('\n# pass 2\n# fail 0\n')
    expect(stdout).not.toContain('"level"') // of the log
  })

  test('can import only the exported modules', async () => {
    await writeFile(
      join(home, 'within.js'),
      `await import('secret-bus/package.json', { with: { type: 'json' } })
      await import('secret-bus/dist/bus/bus.js').catch(({ code }) => console.log(code))
      `,
    )

    const { stdout } = await run(process.execPath, ['within.js'], { cwd: home })

    expect(stdout).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED\n')
  })
})

describe('a program in TypeScript', () => {
  const tsc = join(project, 'node_modules', 'typescript', 'bin', 'tsc')

  /** Returns the output of the compiler, which also checks the types of libraries. */
  async function compile(name: string, source: string): Promise<string> {
    await writeFile(join(home, name), source)
    const options = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--types', 'node']
    const modules = ['--module', 'nodenext', '--target', 'es2024']
    const compiling = run(process.execPath, [tsc, ...options, ...modules, name], { cwd: home })
    return compiling.then(
      ({ stdout }) => stdout,
      ({ stdout }) => stdout,
    )
  }

  test('compiles', async () => {
    const output = await compile(
      'program.ts',
      `import { channels, event, lifecycle, type Plugin, ProcessBus, request, Sensitive, type Subscriber } from 'secret-bus'
      import { fakeListener, fakeProvider, pluginContext, startHttp, startService } from 'secret-bus/testing'

      const greet = request<{ name: string }, string>('greet', { timeout: 100 })
      const rang = event<number, number>('rang')
      const greeter: Subscriber = (bus) => {
        bus.subscribe(lifecycle.start, () => bus.log('info', 'started'))
        bus.provide(greet, async ({ name }) => 'hello ' + name)
        bus.subscribe(rang, (times) => times * 2)
        bus.provide(channels.fetchSecret, ({ codeName }) => ({ codeName, value: new Sensitive('x'), fetchedAt: 0 }))
        bus.subscribe(channels.httpRoutes, (app) => void app.get('/', async () => 'hello'))
      }
      const bus = new ProcessBus({ shutdownTimeout: 1_000 }).use('greeter', greeter)
      await bus.start()
      const greeting: string = await bus.request(greet, { name: 'rose' })
      const doubled: number[] = await bus.publish(rang, 21)
      const code: number = await bus.exit()

      const plugin: Plugin = ({ channels }) => (bus) => void bus.requester(channels.getSecret)
      const rings = fakeListener(rang, (times) => times * 2)
      const names = fakeProvider(greet, 'hello')
      const source = fakeProvider(channels.fetchSecret, async ({ codeName }) => {
        return { codeName, value: new Sensitive('x'), fetchedAt: 0 }
      })
      await using http = await startHttp({ rings, names }, { drain: 0, limits: { body: 1_000 } })
      await using service = await startService({ source, plugin: plugin(await pluginContext()) }, { without: 'dynamodb' })
      const payloads: readonly number[] = rings.payloads
      const query: string | undefined = names.queries[0]?.name
      const messages: string[] = [...http.messages('info'), ...service.activity.map(({ channel }) => channel)]
      export { code, doubled, greeting, messages, payloads, query }
      `,
    )

    expect(output).toBe('')
  })

  test.each([
    ['a wrong query', `bus.request(greet, { name: 7 })`],
    ['a wrong reply', `bus.provide(greet, () => 7)`],
    ['a wrong use of a reply', `const reply: Promise<number> = bus.request(greet, { name: 'rose' })`],
  ])('does not compile with %s', async (_mistake, statement) => {
    const output = await compile(
      'mistake.ts',
      `import { ProcessBus, request } from 'secret-bus'
      const greet = request<{ name: string }, string>('greet')
      const bus = new ProcessBus()
      ${statement}
      `,
    )

    expect(output).toMatch(/^mistake\.ts\(4,\d+\): error /)
    expect(output).toContain(' is not assignable to type ')
  })
})

describe('the command', () => {
  const bin = () => installed(manifest.bin['secret-bus'])

  test('is a Node.js script', async () => {
    expect(await readFile(bin(), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  })

  test('prints the version of the package', async () => {
    expect(await run(process.execPath, [bin(), '--version'])).toEqual({ stdout: `${manifest.version}\n`, stderr: '' })
  })

  test('runs through a symbolic link, as npm creates it', async () => {
    const command = join(home, 'secret-bus')
    await symlink(bin(), command)

    expect((await run(process.execPath, [command, '--version'])).stdout).toBe(`${manifest.version}\n`)
  })

  test('names the package to install for --embedded, which is not a dependency', async () => {
    const running = run(process.execPath, [bin(), '--embedded', '--port', '0'], { env: {} })

    await expect(running).rejects.toMatchObject({
      code: 70,
      stdout: expect.stringMatching(/"level":"error".*--embedded requires .*npm install dynalite/),
    })
  })
})
