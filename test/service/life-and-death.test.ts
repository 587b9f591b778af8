import { mkdtemp, readdir, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { credentials } from '../support/dynamodb/dynamodb.ts'
import { constantLoad } from '../support/http/constant-load.ts'
import { saying, silent, startFaultyServer } from '../support/http/faulty-server.ts'
import { accepts, ask, RawConnection } from '../support/http/http.ts'
import type { ServiceProcess } from '../support/service/process.ts'
import { startedService } from '../support/service/started-service.ts'

/** A busy machine takes its time. */
const patience = { timeout: 30_000 }
vi.setConfig({ testTimeout: 60_000 })

const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => startedService(args, { ...credentials, ...env })

const messages = ({ stdout }: ServiceProcess, ...levels: string[]): string[] =>
  stdout
    .map((line) => JSON.parse(line))
    .filter(({ level }) => levels.length === 0 || levels.includes(level))
    .map(({ msg }) => msg)

/** Sends a request over a connection of its own, and does not wait for the reply. */
async function send(port: number, path: string): Promise<RawConnection> {
  const connection = await RawConnection.open(port)
  connection.send(`GET ${path} HTTP/1.1`, 'host: x')
  return connection
}

const answering = saying('{"Item":{"secret_code":{"S":"run"}}}')

/** Has the service wait for DynamoDB for as long as it takes. */
const unhurried = ['--request-timeout', '60s', '--fetch-timeout', '60s']

/** Answers as soon as it is let go. */
function heldBack() {
  const { promise: gone, resolve: letGo } = Promise.withResolvers<void>()
  const holding: RequestListener = async (request, response) => {
    await gone
    answering(request, response)
  }
  return { holding, letGo }
}

describe('a process that is told to end while somebody waits for a slow DynamoDB', () => {
  /** The service, ready, with a request under way that is answered when it is let go, and a connection that idles. */
  async function startSlow(...args: string[]) {
    const { holding, letGo } = heldBack()
    const dynamodb = await startFaultyServer(answering)
    const service = start(['--dynamodb-endpoint', dynamodb.endpoint, '--cache-ttl', '0', ...unhurried, ...args])
    const address = await service.address()
    await expect.poll(async () => (await ask(`${address}/ready`)).status, patience).toBe(200)
    dynamodb.answer = holding
    const port = Number(new URL(address).port)
    const waiting = await send(port, '/secret')
    await expect.poll(() => dynamodb.requests.length, patience).toBe(2)
    const idle = await send(port, '/health')
    await idle.reply()
    return { service, port, waiting, idle, letGo }
  }

  const answered = { status: 200, body: '{"secret_code":"run"}', headers: { connection: 'close' } }

  test('serves to the end of its drain, saying to everybody that it is about to go', async () => {
    const { service, port, waiting, idle, letGo } = await startSlow('--drain', '3s')

    service.child.kill('SIGTERM')
    await service.line(/SIGTERM: exiting/)

    const closing = { headers: { connection: 'close' } }
    expect(await (await send(port, '/ready')).reply()).toMatchObject({ status: 503, ...closing })
    expect(await (await send(port, '/health')).reply()).toMatchObject({ status: 200, ...closing })
    letGo()
    expect(await waiting.reply()).toMatchObject(answered)
    expect(idle.ended).toBe(false)
    expect(messages(service)).not.toContain('Bus STOPPED')
    expect(await service.exited).toBe(0)
    await expect.poll(() => idle.ended, patience).toBe(true)
    expect(await accepts(port)).toBe(false)
    expect(messages(service, 'warn', 'error', 'fatal')).toEqual([])
  })

  test('without a drain accepts nobody else, closes what idles, answers, and ends with 0', async () => {
    const { service, port, waiting, idle, letGo } = await startSlow()

    service.child.kill('SIGTERM')

    await expect.poll(() => accepts(port), patience).toBe(false)
    await expect.poll(() => idle.ended, patience).toBe(true)
    expect(service.child.exitCode).toBeNull()
    letGo()
    expect(await waiting.reply()).toMatchObject(answered)
    expect(await service.exited).toBe(0)
    expect(messages(service, 'warn', 'error', 'fatal')).toEqual([])
  })

  test('does not wait for ever: it names who hangs, ends with 70, and the connection is closed', async () => {
    const { service, waiting } = await startSlow('--drain', '100ms', '--shutdown-timeout', '400ms')
    const told = performance.now()

    service.child.kill('SIGTERM')

    expect(await service.exited).toBe(70)
    expect(performance.now() - told).toBeLessThan(10_000)
    expect(messages(service, 'error', 'fatal')).toEqual([
      'http-server failed on lifecycle.stop: out of time after 500 ms of shutdown',
    ])
    expect(messages(service).at(-1)).toBe('Bus EXITED')
    await expect.poll(() => waiting.ended, patience).toBe(true)
  })

  test('ends at once, with 1, when it is told again', async () => {
    const { service } = await startSlow()
    service.child.kill('SIGTERM')
    await service.line(/SIGTERM: exiting/)

    service.child.kill('SIGTERM')

    expect(await service.exited).toBe(1)
    expect(messages(service).at(-1)).toBe('SIGTERM again: ending at once')
  })
})

describe('a process that is told to end before it has startedService', () => {
  test('ends in order, with 70, as soon as whoever starts is through, and never opens its port', async () => {
    const [metadata, dynamodb] = [await startFaultyServer(silent), await startFaultyServer(silent)]
    const args = ['--dynamodb-endpoint', dynamodb.endpoint, '--drain', '60s', '--shutdown-timeout', '60s']
    const service = start(args, { ECS_CONTAINER_METADATA_URI_V4: metadata.endpoint })
    await expect.poll(() => metadata.requests.length, patience).toBe(1)

    service.child.kill('SIGTERM')

    expect(await service.exited).toBe(70)
    const transitions = messages(service).filter((message) => /^(Bus|Listening) /.test(message))
    expect(transitions).toEqual(['Bus STARTING', 'Bus STOPPING', 'Bus STOPPED', 'Bus EXITING', 'Bus EXITED'])
  })
})

describe('a process that is killed', () => {
  test('leaves nothing behind, and the next one on its port serves the same at once', async () => {
    const dynamodb = await startFaultyServer(answering)
    const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const moveThere = `process.chdir(${JSON.stringify(folder)})`
    const env = {
      HOME: folder,
      TMPDIR: folder,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(moveThere)}`,
    }
    const args = ['--dynamodb-endpoint', dynamodb.endpoint]
    const killed = start(args, env)
    const address = await killed.address()
    const load = constantLoad(address, 8, 'run')
    await expect.poll(() => load.answered, patience).toBeGreaterThan(50)
    expect(load.failures).toEqual([])

    killed.child.kill('SIGKILL')

    expect(await killed.exited).toBe('SIGKILL')
    expect(await readdir(folder)).toEqual([])
    const next = start([...args, '--port', new URL(address).port], env)
    await next.address()
    load.phase = 'the next one serves'
    expect(await ask(`${address}/secret`)).toMatchObject({ status: 200, body: '{"secret_code":"run"}' })
    const before = load.answered
    await expect.poll(() => load.answered, patience).toBeGreaterThan(before + 50)
    await load.stop()
    expect(load.failures.filter((failure) => failure.includes(load.phase))).toEqual([])
    expect(await readdir(folder)).toEqual([])
  })
})

describe('a process that is told to reload over and over', () => {
  test('loses no request, and fetches once a reload at most', async () => {
    const { holding, letGo } = heldBack()
    const dynamodb = await startFaultyServer(answering)
    const service = start(['--dynamodb-endpoint', dynamodb.endpoint, ...unhurried])
    const address = await service.address()
    const load = constantLoad(address, 8, 'run')
    await expect.poll(() => load.answered, patience).toBeGreaterThan(50)
    expect(dynamodb.requests).toHaveLength(1)
    dynamodb.answer = holding
    const storm = 50

    for (let told = 0; told < storm; told += 1) {
      service.child.kill('SIGHUP')
      await ask(`${address}/health`) // or the system would make one signal of several
    }

    await expect.poll(() => dynamodb.requests.length, patience).toBe(2)
    const before = load.answered
    await expect.poll(() => load.answered, patience).toBeGreaterThan(before + 50)
    letGo()
    // Whoever told it to reload while it did so may have changed something that was read before.
    await expect.poll(() => dynamodb.requests.length, patience).toBeGreaterThan(2)
    await load.stop()
    expect(load.failures).toEqual([])
    service.child.kill('SIGTERM')
    expect(await service.exited).toBe(0)
    const reloads = messages(service).filter((message) => message === 'Bus graceful').length
    expect(reloads).toBeLessThanOrEqual(storm)
    expect(dynamodb.requests.length).toBeLessThanOrEqual(1 + reloads)
    expect(messages(service, 'warn', 'error', 'fatal')).toEqual([])
  })
})
