import { mkdtemp, readdir, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { credentials } from '../support/dynamodb/dynamodb.ts'
import { constantLoad } from '../support/http/constant-load.ts'
import { neverRespond, respondWith, startFaultyServer } from '../support/http/faulty-server.ts'
import { acceptsConnections, fetchReply, RawConnection } from '../support/http/http.ts'
import type { ServiceProcess } from '../support/service/process.ts'
import { startTestService } from '../support/service/test-service.ts'

/** Generous, for a loaded machine. */
const poll = { timeout: 30_000 }
vi.setConfig({ testTimeout: 60_000 })

const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  startTestService(args, { ...credentials, ...env })

const messages = ({ stdout }: ServiceProcess, ...levels: string[]): string[] =>
  stdout
    .map((line) => JSON.parse(line))
    .filter(({ level }) => levels.length === 0 || levels.includes(level))
    .map(({ msg }) => msg)

/** Sends a request on a new connection, without waiting for the response. */
async function send(port: number, path: string): Promise<RawConnection> {
  const connection = await RawConnection.open(port)
  connection.send(`GET ${path} HTTP/1.1`, 'host: x')
  return connection
}

const respondWithSecret = respondWith('{"Item":{"secret_code":{"S":"run"}}}')

/** Options that make the service wait for DynamoDB longer than any test takes. */
const longTimeouts = ['--request-timeout', '60s', '--fetch-timeout', '60s']

/** A request listener that responds once it is released. */
function delayedListener() {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const listener: RequestListener = async (request, response) => {
    await released
    respondWithSecret(request, response)
  }
  return { listener, release }
}

describe('a process that receives SIGTERM while a request waits for DynamoDB', () => {
  /** Starts a ready service with one request that waits until `release` is called, and one idle connection. */
  async function startSlow(...args: string[]) {
    const { listener, release } = delayedListener()
    const dynamodb = await startFaultyServer(respondWithSecret)
    const service = start(['--dynamodb-endpoint', dynamodb.endpoint, '--cache-ttl', '0', ...longTimeouts, ...args])
    const address = await service.address()
    await expect.poll(async () => (await fetchReply(`${address}/ready`)).status, poll).toBe(200)
    dynamodb.answer = listener
    const port = Number(new URL(address).port)
    const waiting = await send(port, '/secret')
    await expect.poll(() => dynamodb.requests.length, poll).toBe(2)
    const idle = await send(port, '/health')
    await idle.reply()
    return { service, port, waiting, idle, release }
  }

  const served = { status: 200, body: '{"secret_code":"run"}', headers: { connection: 'close' } }

  test('keeps serving during the drain period, with "connection: close" in every response', async () => {
    const { service, port, waiting, idle, release } = await startSlow('--drain', '3s')

    service.child.kill('SIGTERM')
    await service.line(/Received SIGTERM, shutting down/)

    const closing = { headers: { connection: 'close' } }
    expect(await (await send(port, '/ready')).reply()).toMatchObject({ status: 503, ...closing })
    expect(await (await send(port, '/health')).reply()).toMatchObject({ status: 200, ...closing })
    release()
    expect(await waiting.reply()).toMatchObject(served)
    expect(idle.ended).toBe(false)
    expect(messages(service)).not.toContain('Bus STOPPED')
    expect(await service.exited).toBe(0)
    await expect.poll(() => idle.ended, poll).toBe(true)
    expect(await acceptsConnections(port)).toBe(false)
    expect(messages(service, 'warn', 'error', 'fatal')).toEqual([])
  })

  test('without a drain period closes port and idle connections, completes the request and exits with 0', async () => {
    const { service, port, waiting, idle, release } = await startSlow()

    service.child.kill('SIGTERM')

    await expect.poll(() => acceptsConnections(port), poll).toBe(false)
    await expect.poll(() => idle.ended, poll).toBe(true)
    expect(service.child.exitCode).toBeNull()
    release()
    expect(await waiting.reply()).toMatchObject(served)
    expect(await service.exited).toBe(0)
    expect(messages(service, 'warn', 'error', 'fatal')).toEqual([])
  })

  test('closes the connection at the shutdown timeout, logs the pending listener and exits with 70', async () => {
    const { service, waiting } = await startSlow('--drain', '100ms', '--shutdown-timeout', '400ms')
    const signaledAt = performance.now()

    service.child.kill('SIGTERM')

    expect(await service.exited).toBe(70)
    expect(performance.now() - signaledAt).toBeLessThan(10_000)
    expect(messages(service, 'error', 'fatal')).toEqual([
      'http-server failed on lifecycle.stop: Shutdown timed out after 500 ms',
    ])
    expect(messages(service).at(-1)).toBe('Bus EXITED')
    await expect.poll(() => waiting.ended, poll).toBe(true)
  })

  test('exits immediately with 1 on a second signal after 1 s', async () => {
    const { service } = await startSlow()
    service.child.kill('SIGTERM')
    await service.line(/Received SIGTERM, shutting down/)
    // Repeats the signal, since the service counts from when it has received the first one.
    const repeat = setInterval(() => service.child.kill('SIGTERM'), 200)
    onTestFinished(() => clearInterval(repeat))

    expect(await service.exited).toBe(1)
    expect(messages(service).at(-1)).toBe('Received SIGTERM again, exiting immediately')
  })

  test('drains as usual if one Ctrl-C arrives twice', async () => {
    const { service, waiting, release } = await startSlow()
    service.child.kill('SIGINT')
    service.child.kill('SIGTERM')
    await service.line(/Received SIG(INT|TERM) again, still shutting down/)

    release()

    expect(await waiting.reply()).toMatchObject(served)
    expect(await service.exited).toBe(0)
  })
})

describe('a process that receives SIGTERM while it is starting', () => {
  test('stops in order after the current start listener, never opens its port and exits with 70', async () => {
    const [metadata, dynamodb] = [await startFaultyServer(neverRespond), await startFaultyServer(neverRespond)]
    const args = ['--dynamodb-endpoint', dynamodb.endpoint, '--drain', '60s', '--shutdown-timeout', '60s']
    const service = start(args, { ECS_CONTAINER_METADATA_URI_V4: metadata.endpoint })
    await expect.poll(() => metadata.requests.length, poll).toBe(1)

    service.child.kill('SIGTERM')

    expect(await service.exited).toBe(70)
    const transitions = messages(service).filter((message) => /^(Bus|Listening) /.test(message))
    expect(transitions).toEqual(['Bus STARTING', 'Bus STOPPING', 'Bus STOPPED', 'Bus EXITING', 'Bus EXITED'])
  })
})

describe('a process that is killed', () => {
  test('leaves no files behind, and its replacement on the same port serves the same secret', async () => {
    const dynamodb = await startFaultyServer(respondWithSecret)
    const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const changeDirectory = `process.chdir(${JSON.stringify(folder)})`
    const env = {
      HOME: folder,
      TMPDIR: folder,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(changeDirectory)}`,
    }
    const args = ['--dynamodb-endpoint', dynamodb.endpoint]
    const killed = start(args, env)
    const address = await killed.address()
    const load = constantLoad(address, 8, 'run')
    await expect.poll(() => load.answered, poll).toBeGreaterThan(50)
    expect(load.failures).toEqual([])

    killed.child.kill('SIGKILL')

    expect(await killed.exited).toBe('SIGKILL')
    expect(await readdir(folder)).toEqual([])
    const replacement = start([...args, '--port', new URL(address).port], env)
    await replacement.address()
    load.phase = 'the replacement serves'
    expect(await fetchReply(`${address}/secret`)).toMatchObject({ status: 200, body: '{"secret_code":"run"}' })
    const before = load.answered
    await expect.poll(() => load.answered, poll).toBeGreaterThan(before + 50)
    await load.stop()
    expect(load.failures.filter((failure) => failure.includes(load.phase))).toEqual([])
    expect(await readdir(folder)).toEqual([])
  })
})

describe('a process that receives many SIGHUPs', () => {
  test('fails no request and fetches at most once per reload', async () => {
    const { listener, release } = delayedListener()
    const dynamodb = await startFaultyServer(respondWithSecret)
    const service = start(['--dynamodb-endpoint', dynamodb.endpoint, ...longTimeouts])
    const address = await service.address()
    const load = constantLoad(address, 8, 'run')
    await expect.poll(() => load.answered, poll).toBeGreaterThan(50)
    expect(dynamodb.requests).toHaveLength(1)
    dynamodb.answer = listener
    const signals = 50

    for (let sent = 0; sent < signals; sent += 1) {
      service.child.kill('SIGHUP')
      await fetchReply(`${address}/health`) // otherwise the system may merge several signals into one
    }

    await expect.poll(() => dynamodb.requests.length, poll).toBe(2)
    const before = load.answered
    await expect.poll(() => load.answered, poll).toBeGreaterThan(before + 50)
    release()
    // A reload requested during another one fetches again, because the data may have changed since the first fetch.
    await expect.poll(() => dynamodb.requests.length, poll).toBeGreaterThan(2)
    await load.stop()
    expect(load.failures).toEqual([])
    service.child.kill('SIGTERM')
    expect(await service.exited).toBe(0)
    const reloads = messages(service).filter((message) => message === 'Bus graceful').length
    expect(reloads).toBeLessThanOrEqual(signals)
    expect(dynamodb.requests.length).toBeLessThanOrEqual(1 + reloads)
    expect(messages(service, 'warn', 'error', 'fatal')).toEqual([])
  })
})
