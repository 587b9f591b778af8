import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { announcedIn } from '../support/project/snippets.ts'

const run = promisify(execFile)
const project = fileURLToPath(new URL('../..', import.meta.url))
const manifest = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'))

/** A package that `npm run pack:all` has packed. */
interface Packed {
  readonly tarball: string
  /** The files in the tarball, without the folder that contains them all. */
  readonly files: readonly string[]
}

const bus = '@secret-bus/bus'
/** A project that has installed both packages and nothing else. */
let home: string
/** A project that has installed the package of the bus and nothing else. */
let busHome: string
/** The folder of the tarballs. */
let packed: string
let packages: { readonly service: Packed; readonly bus: Packed }
/** What the packing printed. */
let printed: string

const installed = (...path: string[]) => join(home, 'node_modules', manifest.name, ...path)

beforeAll(async () => {
  const folders = ['home', 'bus', 'packed'].map((name) => mkdtemp(join(tmpdir(), `secret-bus-${name}-`)))
  ;[home = '', busHome = '', packed = ''] = await Promise.all(folders)
  printed = (await npm(project, 'run', '--silent', 'pack:all', '--', packed)).stdout
  packages = {
    service: await read(`secret-bus-${manifest.version}.tgz`),
    bus: await read(`secret-bus-bus-${manifest.version}.tgz`),
  }
  for (const [name, { tarball }] of [
    [manifest.name, packages.service],
    [bus, packages.bus],
  ] as const) {
    const folder = join(home, 'node_modules', name)
    await mkdir(folder, { recursive: true })
    await run('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1'])
  }
  // Links the dependencies and the types of Node.js, because the test has no network.
  for (const name of [...Object.keys(manifest.dependencies), '@types/node']) await link(name)
  await writeFile(join(home, 'package.json'), '{ "type": "module" }')
  const mitt = { mitt: `file:${join(project, 'node_modules/mitt')}` }
  await writeFile(join(busHome, 'package.json'), JSON.stringify({ type: 'module', dependencies: mitt }))
  await npm(busHome, 'install', '--offline', '--no-audit', '--no-fund', packages.bus.tarball)
}, 120_000)

afterAll(() => Promise.all([home, busHome, packed].map((folder) => rm(folder, { recursive: true }))))

/** Runs npm, the one that runs these tests if there is one. */
function npm(cwd: string, ...words: string[]): Promise<{ stdout: string; stderr: string }> {
  const { npm_execpath: npm } = process.env
  const [command, ...args] = npm ? [process.execPath, npm] : ['npm']
  return run(command, [...args, ...words], { cwd })
}

async function read(name: string): Promise<Packed> {
  const tarball = join(packed, name)
  const { stdout } = await run('tar', ['-tzf', tarball])
  const files = stdout.trim().split('\n')
  return { tarball, files: files.map((file) => file.replace(/^package\//, '')) }
}

async function link(name: string): Promise<void> {
  const path = join(home, 'node_modules', name)
  await mkdir(dirname(path), { recursive: true })
  await symlink(join(project, 'node_modules', name), path, 'dir')
}

/** The targets of the links and images in a document. */
const linksIn = (document: string) => [...document.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, target = '']) => target)

test('npm run pack:all writes one tarball per package, and prints their paths and sizes', async () => {
  expect((await readdir(packed)).sort()).toEqual(
    [packages.bus, packages.service].map(({ tarball }) => tarball.slice(packed.length + 1)).sort(),
  )
  const lines = await Promise.all(
    [packages.bus, packages.service].map(async ({ tarball }) => {
      return `${tarball} ${((await stat(tarball)).size / 1_000).toFixed(1)} kB\n`
    }),
  )
  expect(printed).toBe(lines.join(''))
})

test.for([
  [[], 'received 0 arguments'],
  [['a', 'b'], 'received 2 arguments'],
  [[join(project, 'LICENSE')], `EEXIST: file already exists, mkdir '${join(project, 'LICENSE')}'`],
] as const)('npm run pack:all rejects the arguments %j in one line', async ([args, reason]) => {
  const packing = run(process.execPath, ['scripts/pack-all.ts', ...args], { cwd: project })

  await expect(packing).rejects.toMatchObject({
    code: 64,
    stdout: '',
    stderr: `secret-bus: pack:all must be called with a folder, npm run pack:all -- DIR: ${reason}\n`,
  })
})

// With --dry-run, npm checks the packages but sends nothing. The registry does not exist, so the run cannot depend on it;
// only a release tests that the registry accepts the account and the provenance.
test('scripts/publish --dry-run publishes both packages, the bus first', async () => {
  const env = { ...process.env, npm_config_registry: 'http://127.0.0.1:1/', npm_config_loglevel: 'notice' }

  const { stdout } = await run(join(project, 'scripts/publish'), ['--dry-run'], { cwd: project, env })

  expect(stdout.match(/^\+ .*$/gm)).toEqual([`+ ${bus}@${manifest.version}`, `+ ${manifest.name}@${manifest.version}`])
})

describe('the package of the service', () => {
  test('contains only the build, package.json, the license and what the README links to', () => {
    const others = packages.service.files.filter((file) => !file.startsWith('dist/'))

    expect(others).toEqual(expect.arrayContaining(['LICENSE', 'package.json', 'README.md']))
    const documents = /^(LICENSE|package\.json|(README|CHANGELOG|SECURITY)\.md|(docs|examples|template)\/.*)$/
    expect(others.filter((file) => !documents.test(file)).sort()).toEqual([
      'src/bus/process/lifecycle.ts',
      'src/channels.ts',
      'src/service.ts',
    ])
  })

  test('contains every file to which its README links', async () => {
    const links = linksIn(await readFile(installed('README.md'), 'utf8')).filter((link) => !/^https?:/.test(link))

    expect(links.length).toBeGreaterThan(10)
    for (const link of links) {
      const isIn = (file: string) => file === link || file.startsWith(`${link}/`)
      expect(packages.service.files.some(isIn), link).toBe(true)
    }
  })

  test('contains no copy of the bus, and no source map of it', async () => {
    const modules = packages.service.files.filter((file) => file.startsWith('dist/bus/'))

    expect(modules).toContain('dist/bus/process/process-bus.js')
    for (const file of modules) {
      const module = file.replace('dist/bus/', '').replace(/\.d\.ts$/, '.js')
      expect(await readFile(installed(file), 'utf8'), file).toBe(`export * from '${bus}/${module}'\n`)
    }
  })

  test('depends on exactly the same version of the bus, and not on mitt', async () => {
    const { dependencies, scripts } = JSON.parse(await readFile(installed('package.json'), 'utf8'))

    const { mitt: _, ...others } = manifest.dependencies
    expect(dependencies).toEqual({ [bus]: manifest.version, ...others })
    expect(scripts).toBeUndefined()
  })

  test('contains a module and its types for every source', async () => {
    const sources = (await readdir(join(project, 'src'), { recursive: true })).filter((file) =>
      /(?<!\.d)\.ts$/.test(file),
    )

    const expected = sources.flatMap((file) => ['.js', '.d.ts'].map((end) => `dist/${file.replace(/\.ts$/, end)}`))
    expect(packages.service.files).toEqual(expect.arrayContaining(expected))
  })

  test('contains nothing that was built from a deleted source', async () => {
    const built = packages.service.files.filter((file) => file.startsWith('dist/')).map((file) => file.slice(5))

    const sources = await readdir(join(project, 'src'), { recursive: true })
    const compiled = (file: string) => file.replace(/(\.d\.ts|\.js|\.js\.map)$/, '.ts')
    const orphans = built.filter((file) => !sources.includes(compiled(file)) && !sources.includes(file))
    expect(orphans).toEqual([])
  })
})

describe('the package of the bus', () => {
  test('contains only modules, their types, package.json, the README and the license, in less than 60 kB', async () => {
    const others = packages.bus.files.filter((file) => !/^dist\/.*\.(js|d\.ts)$/.test(file))

    expect(others.sort()).toEqual(['LICENSE', 'README.md', 'package.json'])
    expect((await stat(packages.bus.tarball)).size).toBeLessThan(60_000)
  })

  test('is installed with mitt alone', async () => {
    expect((await readdir(join(busHome, 'node_modules'))).filter((name) => !name.startsWith('.'))).toEqual([
      '@secret-bus',
      'mitt',
    ])
  })

  test('has a README that says how to install it, and links to existing documents', async () => {
    const readme = await readFile(join(busHome, 'node_modules', bus, 'README.md'), 'utf8')

    expect(readme).toMatch(/^# @secret-bus\/bus\n/)
    expect(readme).toContain(`npm install ${bus}\n`)
    const links = linksIn(readme)
    expect(links.length).toBeGreaterThan(1)
    for (const link of links) {
      const [start, path = ''] = link.split('/blob/main/')
      expect(start).toBe(manifest.homepage)
      expect((await stat(join(project, path))).isFile(), link).toBe(true)
    }
  })

  test('runs the example of its README', async () => {
    const readme = await readFile(join(busHome, 'node_modules', bus, 'README.md'), 'utf8')
    const [, example = ''] = /```ts\n(.*?)```/s.exec(readme) ?? []
    await writeFile(join(busHome, 'example.ts'), example)

    const { stdout, stderr } = await run(process.execPath, ['example.ts'], { cwd: busHome })

    expect(stdout.trimEnd().split('\n')).toEqual(announcedIn(example))
    expect(stderr).toBe('')
  })

  test('compiles without the types of Node.js', async () => {
    const output = await compile(
      'alone.ts',
      `import { event, log, type Logger, ProcessBus, request, type SignalSource, signals } from '@secret-bus/bus'
      const greet = request<{ name: string }, string>('greet', { timeout: 100 })
      const rang = event<number, number>('rang')
      export const start = async (process: SignalSource, logger: Logger, signal: AbortSignal) => {
        const bus = new ProcessBus().use('signals', signals(process)).use('log', log(logger))
        bus.provide(greet, ({ name }, call) => \`\${name} \${call.signal.aborted}\`)
        const [doubled]: number[] = await bus.publish(rang, 21, { signal })
        return [doubled, await bus.request(greet, { name: 'rose' }, { signal })]
      }
      `,
      { cwd: busHome, options: ['--types', ''] },
    )

    expect(output).toBe('')
  })
})

describe('a program that imports both packages', () => {
  test('uses the same classes and channels', async () => {
    await writeFile(
      join(home, 'both.js'),
      `import * as service from 'secret-bus'
      import * as bus from '@secret-bus/bus'
      const others = Object.keys(bus).filter((name) => bus[name] !== service[name])
      console.log(Object.keys(bus).includes('ProcessBus'), Object.keys(bus).includes('lifecycle'), others)
      `,
    )

    expect((await run(process.execPath, ['both.js'], { cwd: home })).stdout).toBe('true true []\n')
  })

  test('passes a bus and a subscriber of one package to the other', async () => {
    const output = await compile(
      'both.ts',
      `import { log, ProcessBus as BusOfPackage, signals, type Subscriber as SubscriberOfBus } from '@secret-bus/bus'
      import { pino } from 'pino'
      import { ProcessBus, type Subscriber } from 'secret-bus'
      import { recordedBus } from 'secret-bus/testing'

      declare const ofBus: SubscriberOfBus
      declare const ofService: Subscriber
      const takeService = (bus: ProcessBus) => bus.use('a', ofBus).use('b', ofService)
      const takeBus = (bus: BusOfPackage) => bus.use('a', ofBus).use('b', ofService)
      takeService(takeBus(new ProcessBus()))
      takeBus(takeService(new BusOfPackage()))
      takeBus(recordedBus({ ofBus, ofService, log: log(pino()), signals: signals(process) }).bus)
      `,
    )

    expect(output).toBe('')
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
      const secret = ({ codeName }) => ({ codeName, value: new Sensitive('bad wolf') })
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

/** Returns the output of the compiler, which also checks the types of libraries. */
async function compile(
  name: string,
  source: string,
  { cwd = home, options = ['--types', 'node'] }: { cwd?: string; options?: readonly string[] } = {},
): Promise<string> {
  await writeFile(join(cwd, name), source)
  const tsc = join(project, 'node_modules', 'typescript', 'bin', 'tsc')
  const strict = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--module', 'nodenext', '--target', 'es2024']
  const compiling = run(process.execPath, [tsc, ...strict, ...options, name], { cwd })
  return compiling.then(
    ({ stdout }) => stdout,
    ({ stdout }) => stdout,
  )
}

describe('a program in TypeScript', () => {
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
        bus.provide(channels.fetchSecret, ({ codeName }) => ({ codeName, value: new Sensitive('x') }))
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
        return { codeName, value: new Sensitive('x') }
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
    [
      'a wrong configuration of a route',
      `bus.subscribe(channels.httpRoutes, (app) => void app.get('/', { config: { open: 'yes' } }, async () => 1))`,
    ],
    ['a wrong use of a reply', `const reply: Promise<number> = bus.request(greet, { name: 'rose' })`],
  ])('does not compile with %s', async (_mistake, statement) => {
    const output = await compile(
      'mistake.ts',
      `import { channels, ProcessBus, request } from 'secret-bus'
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
