/** The service that `secret-bus new` creates: installed from the packed package, checked, tested, run and put in an image. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { compose, docker, engine, inspect, run as runCommand } from '../support/project/docker.ts'

const run = promisify(execFile)
const project = fileURLToPath(new URL('../..', import.meta.url))
const manifest = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'))
// The environment of a user, without the variables of the npm and of the test run that started this file.
const inherited = Object.entries(process.env).filter(
  ([name]) => !/^(npm_|INIT_CWD$|VITEST|NODE_ENV$|TEST$)/i.test(name),
)
const path = [dirname(process.execPath), process.env['PATH']].join(delimiter)
const env: NodeJS.ProcessEnv = { ...Object.fromEntries(inherited), PATH: path }

if (!engine) process.stdout.write('Docker is not available: skipping the tests of the image of a new service.\n')

let home: string
/** The folder of the new service. */
let orders: string

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'secret-bus-new-'))
  orders = join(home, 'orders')
  const packed = join(home, 'packed')
  await mkdir(packed)
  await pack(packed)
  const began = performance.now()
  await install(join(home, 'tool'), packed)
  const { stdout } = await run(join(home, 'tool/node_modules/.bin/secret-bus'), ['new', 'orders'], { cwd: home, env })
  expect(stdout).toMatch(/^Created orders\./)
  await install(orders, packed)
  const { origin, stop } = await demo()
  expect(await (await fetch(`${origin}/greetings/Rose`)).json()).toEqual({ greeting: 'Hello, Rose!' })
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  process.stdout.write(
    `Time from the installation of the command to the first answer of a new service: ${seconds} s.\n`,
  )
  await stop()
})

afterAll(() => rm(home, { recursive: true }))

function npm(cwd: string, ...args: string[]) {
  return run('npm', args, { cwd, env, maxBuffer: 2 ** 26 })
}

/** Packs the library into the folder: both packages, if the project has two. */
async function pack(to: string): Promise<void> {
  if (manifest.scripts['pack:all']) await npm(project, 'run', 'pack:all', '--', to)
  else await npm(project, 'pack', '--pack-destination', to)
}

/** Installs the dependencies of a project, with the packed library instead of the published one. */
async function install(folder: string, packed: string): Promise<void> {
  // Within the folder, so that an image can be built from it.
  await cp(packed, join(folder, 'packed'), { recursive: true })
  const tarballs = (await readdir(packed)).map((name) => `./packed/${name}`)
  await npm(folder, 'install', '--no-audit', '--no-fund', ...tarballs)
}

/** Starts `npm run demo`. */
async function demo() {
  const child = spawn('npm', ['run', 'demo', '--', '--port', '0'], { cwd: orders, env, detached: true })
  const closed = once(child, 'close')
  const lines: string[] = []
  const origin = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      const [, address] = /"address":"(http:[^"]+)"/.exec(line) ?? []
      if (address !== undefined) resolve(address)
    })
    closed.then(() => reject(new Error(`npm run demo ended before it listened:\n${lines.join('\n')}`)))
  })
  /** Interrupts npm and the service, as Ctrl-C does, and returns the log. */
  const stop = async () => {
    interrupt(child)
    await closed
    return lines.join('\n')
  }
  return { origin, stop }
}

function interrupt({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, 'SIGINT')
}

describe('a new service', () => {
  test('passes its type check', async () => {
    await npm(orders, 'run', 'check')
  })

  test('passes its tests', async () => {
    const { stdout } = await npm(orders, 'test')

    expect(stdout).toMatch(/ pass [1-9]/)
    expect(stdout).toMatch(/ fail 0\n/)
  })

  test('serves its documentation and the inspector in the demo, and stops on Ctrl-C', async () => {
    const { origin, stop } = await demo()

    const document = await (await fetch(`${origin}/openapi.json`)).json()
    expect(document).toMatchObject({ info: { title: 'orders' }, paths: { '/greetings/{name}': {} } })
    expect((await fetch(`${origin}/-/bus`)).status).toBe(200)
    expect(await stop()).toContain('"msg":"Bus EXITED"')
  })

  test('rejects invalid input with a problem of its own', async () => {
    const { origin, stop } = await demo()
    onTestFinished(async () => void (await stop()))

    const reply = await fetch(`${origin}/greetings/${'x'.repeat(41)}`)

    expect(reply.status).toBe(400)
    expect(await reply.json()).toMatchObject({ type: 'about:blank', status: 400 })
  })
})

describe.runIf(engine)('the image of a new service', () => {
  const image = 'orders:local'
  const composed = (...args: string[]) => {
    const [command = '', ...words] = [...compose, '--project-name=orders-test', ...args]
    return runCommand(command, words, { cwd: orders })
  }

  beforeAll(async () => {
    // The lock file names the packed library, which is not published.
    await edit('Dockerfile', (text) => text.replace('COPY package.json package-lock.json ./', '$&\nCOPY packed packed'))
    await edit('.dockerignore', (text) => `${text}!packed\n`)
    await composed('build')
  })
  afterAll(async () => void (await docker('rmi', '--force', image)))

  async function edit(file: string, change: (text: string) => string): Promise<void> {
    const text = await readFile(join(orders, file), 'utf8')
    expect(change(text)).not.toBe(text)
    await writeFile(join(orders, file), change(text))
  }

  test('runs as an unprivileged user and contains only the program and its dependencies', async () => {
    const config = await inspect<Record<string, unknown>>(image, '.Config')
    const [size, base] = await Promise.all(
      [image, 'node:24-bookworm-slim'].map((name) => inspect<number>(name, '.Size')),
    )

    process.stdout.write(
      `The image of a new service adds ${(((size ?? 0) - (base ?? 0)) / 1e6).toFixed(1)} MB to its base.\n`,
    )
    expect(config).toMatchObject({
      User: 'node',
      Healthcheck: { Test: ['CMD', 'node', '/app/src/main.ts', 'healthcheck'] },
    })
    const files = await docker('run', '--rm', '--entrypoint=node', image, '--print', 'fs.readdirSync("/app").join()')
    expect(files).toBe('node_modules,package.json,src')
    const tools = await docker(
      'run',
      '--rm',
      '--entrypoint=node',
      image,
      '--print',
      'fs.existsSync("/app/node_modules/typescript")',
    )
    expect(tools).toBe('false')
  })

  test('refuses to serve without a token, unless that is allowed', async () => {
    const id = await docker('create', image)
    onTestFinished(async () => void (await docker('rm', '--force', id)))

    await docker('start', id)

    expect(await docker('wait', id)).toBe('64')
    expect(await docker('logs', id)).toContain('ORDERS_AUTH_TOKEN')
  })

  test('starts with compose, becomes healthy, and exits with 0', async () => {
    onTestFinished(async () => void (await composed('down', '--volumes', '--remove-orphans')))

    await composed('up', '--detach')

    const greeting = () =>
      fetch('http://127.0.0.1:5000/greetings/Rose').then(
        (reply) => reply.text(),
        () => undefined,
      )
    await expect.poll(greeting).toBe('{"greeting":"Hello, Rose!"}')
    const id = await composed('ps', '--quiet', 'orders')
    await expect.poll(() => inspect<string>(id, '.State.Health.Status')).toBe('healthy')
    await composed('stop')
    expect(await inspect<number>(id, '.State.ExitCode')).toBe(0)
  })
})
