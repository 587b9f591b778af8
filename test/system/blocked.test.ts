/** The process serves, and ends in time, even if a thread or the reader of its log is blocked. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { fetchReply } from '../support/http/http.ts'
import { startTestService } from '../support/service/test-service.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** A plugin that runs the code with `pipe`, a named pipe without a writer, and `open`, which waits for one. */
function plugin(code: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'secret-bus-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const file = join(folder, 'plugin.mjs')
  writeFileSync(
    file,
    `import { open } from 'node:fs/promises'
    const pipe = ${JSON.stringify(pipe)}
    export default ({ lifecycle, channels }) => (bus) => { ${code} }`,
  )
  return file
}

const short = ['--shutdown-timeout', '500ms']
const blockedWhileStarted = 'bus.subscribe(lifecycle.start, () => { open(pipe) })'
const messages = (lines: readonly string[]) => lines.map((line) => JSON.parse(line).msg)

describe('a process with a blocked thread', () => {
  test('is ended by SIGTERM, after "Bus EXITED" and with a signal', async () => {
    const service = startTestService(['--embedded', '--plugin', plugin(blockedWhileStarted), ...short])
    await service.line(/Bus STARTED/)
    service.child.kill('SIGTERM')
    expect(await service.exited).toBe('SIGKILL')
    expect(messages(service.stdout).at(-1)).toBe('Bus EXITED')
  })

  test('is ended by SIGTERM while a start listener waits for the thread', async () => {
    const file = plugin('bus.subscribe(lifecycle.start, () => open(pipe))')
    const service = startTestService(['--embedded', '--plugin', file, ...short])
    await service.line(/Started embedded/)
    service.child.kill('SIGTERM')
    expect(await service.exited).toBe('SIGKILL')
    expect(messages(service.stdout).at(-1)).toBe('Bus EXITED')
  })

  test('is ended by a second signal', async () => {
    const code = `${blockedWhileStarted}; bus.subscribe(lifecycle.stop, () => new Promise(() => {}))`
    const service = startTestService(['--embedded', '--plugin', plugin(code), '--shutdown-timeout', '1h'])
    await service.line(/Bus STARTED/)
    service.child.kill('SIGTERM')
    await service.line(/Bus STOPPING/)
    service.child.kill('SIGTERM')
    // The first of several that arrive soon may only be noted.
    const repeat = setInterval(() => service.child.kill('SIGTERM'), 500)
    onTestFinished(() => clearInterval(repeat))
    expect(await service.exited).toBe('SIGKILL')
  })

  test('is ended after an uncaught exception', async () => {
    const code = `${blockedWhileStarted}; bus.subscribe(channels.httpListening, () => { setImmediate(() => { throw new Error('broken') }) })`
    const service = startTestService(['--embedded', '--plugin', plugin(code), ...short])
    expect(await service.exited).toBe('SIGKILL')
    expect(messages(service.stdout)).toContain('Uncaught exception: broken')
  })

  // Skipped where the user must not create namespaces.
  const unshare = ['--pid', '--fork', '--mount-proc', '--kill-child']
  test.runIf(spawnSync('unshare', [...unshare, 'true']).status === 0)('is ended as PID 1, too', async () => {
    const args = ['--embedded', '--port', '0', '--plugin', plugin(blockedWhileStarted), ...short]
    const child = spawn('unshare', [...unshare, process.execPath, main, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    await vi.waitFor(() => expect(text).toContain('Bus STARTED'), { timeout: 30_000 })
    const [service] = execFileSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' }).split('\n')
    process.kill(Number(service), 'SIGTERM')
    const [code, signal] = await once(child, 'close')
    expect([code, signal]).not.toEqual([0, null])
    expect(text).toContain('Bus EXITED')
  })
})

test('a plugin file that is a pipe is rejected', async () => {
  const pipe = join(plugin(''), '..', 'pipe')
  const service = startTestService(['--plugin', pipe])
  expect(await service.exited).toBe(78)
  expect(service.stderr).toEqual([`secret-bus: --plugin ${pipe}: Expected a regular file`])
})

describe('a process whose stdout is not read', () => {
  /** A free port: the log, which would name the port, is not read. */
  async function freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    server.close()
    await once(server, 'close')
    return typeof address === 'object' && address ? address.port : 0
  }

  /** Starts the service, and makes it log more than a pipe holds. */
  async function unread(...args: string[]) {
    const port = await freePort()
    const file = plugin(
      `bus.subscribe(lifecycle.start, () => {
        for (let number = 1; number <= 3_000; number += 1) bus.log('info', 'x'.repeat(100), { number })
      })`,
    )
    const env = { ...process.env, AWS_EC2_METADATA_DISABLED: 'true' }
    const child = spawn(process.execPath, [main, '--embedded', '--port', String(port), '--plugin', file, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env,
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const health = () => fetchReply(`http://127.0.0.1:${port}/health`)
    await vi.waitFor(async () => expect((await health()).status).toBe(200), { timeout: 30_000, interval: 100 })
    return { child, port }
  }

  test.each(['json', 'pretty'])('serves, and is ended by SIGTERM, log format %s', async (format) => {
    const { child, port } = await unread('--log-format', format, ...short)
    await vi.waitFor(async () =>
      expect((await fetchReply(`http://127.0.0.1:${port}/metrics`)).body).toContain(
        'secret_bus_log_lines_dropped_total{kind="audit"} 0',
      ),
    )
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  test('writes everything to a reader that starts late', async () => {
    const { child } = await unread('--shutdown-timeout', '30s')
    child.kill('SIGTERM')
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    expect(await once(child, 'close')).toEqual([0, null])
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.filter(({ number }) => number !== undefined)).toHaveLength(3_000)
    expect(lines.at(-1)).toMatchObject({ msg: 'Bus EXITED' })
  })

  test('keeps serving when the reader goes away', async () => {
    const { child, port } = await unread(...short)
    child.stdout.destroy()
    expect((await fetchReply(`http://127.0.0.1:${port}/secret`)).status).toBe(200)
    await vi.waitFor(async () =>
      expect((await fetchReply(`http://127.0.0.1:${port}/metrics`)).body).toMatch(
        /dropped_total\{kind="other"\} [1-9]/,
      ),
    )
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })
})
