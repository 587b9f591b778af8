/** The commands of `run`, in this process, with the members of `process` that they use replaced. */
import { EventEmitter } from 'node:events'
import { describe, expect, test } from 'vitest'
import { lifecycle } from '../../src/bus/process/lifecycle.ts'
import type { Subscriber } from '../../src/bus/process/process-bus.ts'
import { UsageError } from '../../src/errors.ts'
import { http } from '../../src/http.ts'
import { defineService } from '../../src/runtime/define-service.ts'
import { checkRuntime, ensureHome, usesColor, watchOutput } from '../../src/runtime/environment.ts'
import { run } from '../../src/runtime/run.ts'

/** An output that records what is written. */
class Output extends EventEmitter {
  text = ''
  isTTY = false
  errored: Error | null = null
  write(text: string): boolean {
    this.text += text
    return true
  }
}

function processWith(args: readonly string[], env: NodeJS.ProcessEnv = {}, more: object = {}) {
  const [stdout, stderr] = [new Output(), new Output()]
  const substitute = Object.assign(new EventEmitter(), {
    argv: ['node', 'main.ts', ...args],
    env,
    stdout,
    stderr,
    pid: 2,
    versions: process.versions,
    version: process.version,
    getActiveResourcesInfo: () => [],
    ...more,
  })
  return { process: substitute as unknown as NodeJS.Process, stdout, stderr }
}

const quiet = { ORDERS_LOG_LEVEL: 'silent', ORDERS_PORT: '0' }

/** Runs a service named orders with this subscriber, and returns its exit code and outputs. */
async function orders(args: readonly string[], subscriber: Subscriber = () => {}, env = {}, more = {}) {
  const service = defineService({
    name: 'orders',
    version: '1.2.3',
    options: http.options,
    subscribers: async (options) => ({ mine: subscriber, ...(await http.subscribers(options)) }),
    commands: { greet: { args: '<name>', describe: 'Greet', run: async ([name]) => (name === 'rose' ? 3 : 4) } },
  })
  const given = processWith(args, { ...quiet, ...env }, more)
  const code = await run(service, given.process)
  return { code, stdout: given.stdout.text, stderr: given.stderr.text, process: given.process }
}

describe('serve', () => {
  const exiting =
    (code: number): Subscriber =>
    (bus) =>
      bus.subscribe(lifecycle.state, (state) => {
        if (state === 'STARTED') void bus.exit(code)
      })

  test('returns the exit code of the bus, and leaves no signal handlers behind', async () => {
    const { code, process } = await orders([], exiting(7))

    expect(code).toBe(7)
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) expect(process.listenerCount(signal)).toBe(0)
  })

  test('handles early signals as the first process of a container, until the bus does', async () => {
    let early = -1
    const subscriber: Subscriber = (bus) => {
      exiting(0)(bus)
      bus.subscribe(lifecycle.start, () => {
        early = given.process.listenerCount('SIGTERM')
      })
    }
    const service = defineService({ name: 'orders', version: '1', options: {}, subscribers: () => ({ subscriber }) })
    const given = processWith([], { ORDERS_LOG_LEVEL: 'silent' }, { pid: 1 })

    expect(await run(service, given.process)).toBe(0)
    expect(early).toBe(1)
  })

  test.each([
    [new UsageError('no luck'), 64],
    [new Error('no luck'), 70],
  ])('returns the exit code of a failed start', async (error, expected) => {
    const failing: Subscriber = (bus) =>
      bus.subscribe(lifecycle.start, () => {
        throw error
      })

    expect((await orders([], failing)).code).toBe(expected)
  })
})

test('channels prints the topology', async () => {
  const { code, stdout } = await orders(['channels', 'http.*', '--format', 'json'])

  expect(code).toBe(0)
  expect(JSON.parse(stdout).map(({ channel }: { channel: string }) => channel)).toEqual([
    'http.routes',
    'http.listening',
  ])
})

test('a health check of a service that does not run returns 1', async () => {
  const { code, stderr } = await orders(['healthcheck', '--port', '1'])

  expect(code).toBe(1)
  expect(stderr).toMatch(/^orders: Unhealthy: http:\/\/127\.0\.0\.1:1\/health: .*\n$/)
})

test.each([
  ['rose', 3],
  ['martha', 4],
])('a command of the service receives its arguments: %s', async (name, code) => {
  expect((await orders(['greet', name])).code).toBe(code)
})

test.each<[string[], string, number]>([
  [['--unknown'], 'orders: Unknown argument: unknown\n', 64],
  [['--plugin', '/no/such/plugin.mjs'], 'orders: --plugin /no/such/plugin.mjs: ENOENT', 78],
  [['--config', '/no/such/file'], 'orders: Failed to read --config /no/such/file: ENOENT', 78],
])('%j is reported in one line', async (args, line, expected) => {
  const { code, stderr } = await orders(args)

  expect(code).toBe(expected)
  expect(stderr).toContain(line)
  expect(stderr.trimEnd()).not.toContain('\n')
})

describe('the environment of the program', () => {
  test.each([
    [{ node: '24.12.0' }, undefined],
    [{ node: '25.1.0' }, undefined],
    [{ node: '26.0.0' }, undefined],
    [{ node: '24.11.0' }, 'Node.js must be version 24.12 or later'],
    [{ node: '25.0.0' }, 'Node.js must be version 24.12 or later'],
    [{ node: '24.12.0', bun: '1.3.0' }, 'The runtime must be Node.js, received Bun 1.3.0'],
    [{ node: '24.12.0', deno: '2.5.0' }, 'The runtime must be Node.js, received Deno 2.5.0'],
  ])('with the versions %j', (versions, message) => {
    const { process } = processWith([], {}, { versions, version: 'vX' })
    if (message === undefined) expect(() => checkRuntime(process)).not.toThrow()
    else expect(() => checkRuntime(process)).toThrow(message)
  })

  test.each([
    [{}, true, true],
    [{}, false, false],
    [{ NO_COLOR: '1' }, true, false],
    [{ TERM: 'dumb' }, true, false],
    [{ FORCE_COLOR: '1' }, false, true],
    [{ FORCE_COLOR: '0' }, true, false],
  ])('colors the log with the variables %j on a terminal (%s): %s', (env, isTTY, expected) => {
    const { process, stdout } = processWith([], env)
    stdout.isTTY = isTTY
    expect(usesColor(process)).toBe(expected)
  })

  test('keeps the home directory of the user', () => {
    const { process } = processWith([], { HOME: '/home/rose' })
    ensureHome(process)
    expect(process.env['HOME']).toBe('/home/rose')
  })

  test('fails if the output cannot be written, unless the watch has ended', () => {
    const { process, stdout, stderr } = processWith([])
    const end = watchOutput(process, 'orders')
    stdout.errored = new Error('no space left')
    process.emit('exit', 0)
    expect(process.exitCode).toBe(70)
    expect(stderr.text).toBe('orders: Failed to write to stdout: no space left\n')

    end()
    expect(process.listenerCount('exit')).toBe(0)
  })
})
