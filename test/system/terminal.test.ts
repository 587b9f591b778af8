/** The service in a real terminal, which `script` of util-linux provides: Ctrl-C, and a terminal that is closed. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { acceptsConnections, fetchReply } from '../support/http/http.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const hasScript = String(spawnSync('script', ['--version']).stdout).includes('util-linux')

interface InTerminal {
  /** The output in the terminal so far. */
  readonly output: () => string
  readonly press: (keys: string) => void
  readonly close: () => void
  /** Resolves to the exit code of the command. */
  readonly exited: Promise<number>
}

/** Runs a command in a new terminal, with `NODE` and `FOLDER` as variables. */
function inTerminal(command: string, env: NodeJS.ProcessEnv): InTerminal {
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: root,
    env: {
      ...process.env,
      ...env,
      SHELL: '/bin/sh', // `script` uses it, and bash would replace itself by the command
      SECRET_BUS_EMBEDDED: 'true',
      SECRET_BUS_PORT: '0',
      NODE: process.execPath,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stdin.on('error', () => {})
  onTestFinished(() => void child.kill('SIGKILL'))
  return {
    output: () => output,
    press: (keys) => void child.stdin.write(keys),
    close: () => void child.kill('SIGKILL'),
    exited: once(child, 'close').then(([code]) => code),
  }
}

/** Waits until the service in the terminal listens, and returns its port. */
async function portIn(output: () => string): Promise<number> {
  await expect.poll(output).toContain('Bus STARTED')
  return Number(/http:\/\/127\.0\.0\.1:(\d+)/.exec(output())?.[1])
}

describe.runIf(hasScript)('Ctrl-C', () => {
  test.for([
    'node src/main.ts',
    'npm run dev',
    'npm run dev --script-shell bash',
    'npm run demo --script-shell bash',
    'npm run demo',
  ])('lets the service drain under `%s`', async (command) => {
    const terminal = inTerminal(command, { SECRET_BUS_DRAIN: '2s' })
    const port = await portIn(terminal.output)

    terminal.press('\x03')

    await expect.poll(terminal.output).toContain('shutting down')
    expect((await fetchReply(`http://127.0.0.1:${port}/health`)).status).toBe(200)
    await expect.poll(terminal.output).toContain('Bus EXITED')
    expect(await acceptsConnections(port)).toBe(false)
    // With dash as the script shell, npm reports the signal instead of the exit code of the service.
    expect(await terminal.exited)
  })

  test('pressed again after 1 s exits immediately with 1', async () => {
    // With `exec`, because dash exits with 130 after Ctrl-C, regardless of the exit code of its command.
    const terminal = inTerminal('exec node src/main.ts', { SECRET_BUS_DRAIN: '60s' })
    await portIn(terminal.output)
    terminal.press('\x03')
    await expect.poll(terminal.output).toContain('shutting down')
    const seenAt = performance.now()
    // Once, because a signal that meets the exiting process, which handles none any more, changes its exit code.
    await expect.poll(() => performance.now() - seenAt).toBeGreaterThan(1_000)
    terminal.press('\x03')

    expect(await terminal.exited).toBe(1)
    expect(terminal.output()).toContain('Received SIGINT again, exiting immediately')
  })
})

describe.runIf(hasScript)('a terminal that is closed', () => {
  /** Starts the service with its log in a file, and its pid in another. */
  async function start(command: string) {
    const folder = mkdtempSync(join(tmpdir(), 'secret-bus-'))
    const read = (file: string) => readFileSync(join(folder, file), { encoding: 'utf8', flag: 'a+' })
    const kill = (signal: NodeJS.Signals) => spawnSync('kill', ['-s', signal.slice(3), read('pid').trim()])
    onTestFinished(() => {
      kill('SIGKILL') // fails if it has ended
      rmSync(folder, { recursive: true })
    })
    const terminal = inTerminal(command, { FOLDER: folder })
    const output = () => terminal.output() + read('log')
    return { ...terminal, kill, output, port: await portIn(output) }
  }

  test.for([
    ['as the first process in it', 'echo $$ >$FOLDER/pid; exec $NODE src/main.ts >$FOLDER/log'],
    ['under a shell', '$NODE src/main.ts >$FOLDER/log & echo $! >$FOLDER/pid; wait'],
    // The kernel does not signal background jobs; a shell with job control does.
    [
      'as a background job',
      `bash -c 'set -m; trap "kill -HUP %1" HUP; $NODE src/main.ts </dev/null >$FOLDER/log & echo $! >$FOLDER/pid; wait; true'`,
    ],
    ['under npm', 'npm run demo >$FOLDER/log'],
  ] as const)('shuts down a service that runs %s', async ([, command]) => {
    const { close, output, port } = await start(command)

    close()

    await expect.poll(output).toContain('Bus EXITED')
    expect(output()).toContain('Received SIGHUP and the terminal is gone, shutting down')
    expect(await acceptsConnections(port)).toBe(false)
  })

  test('shuts down a service that writes its log to the terminal', async () => {
    const { close, port } = await start('echo $$ >$FOLDER/pid; exec $NODE src/main.ts')

    close()

    await expect.poll(() => acceptsConnections(port)).toBe(false)
  })

  test('does not affect a service that was started with nohup', async () => {
    const command = 'nohup $NODE src/main.ts >$FOLDER/log 2>&1 & echo $! >$FOLDER/pid; wait'
    const { close, output, port, kill } = await start(command)

    close()

    await expect.poll(output).toContain('Bus graceful')
    expect(await acceptsConnections(port)).toBe(true)
    kill('SIGTERM')
    await expect.poll(output).toContain('Bus EXITED')
  })

  test('SIGHUP reloads while the terminal is open', async () => {
    const { kill, output, port, press } = await start('echo $$ >$FOLDER/pid; exec $NODE src/main.ts >$FOLDER/log')

    kill('SIGHUP')

    await expect.poll(output).toContain('Bus graceful')
    expect(await acceptsConnections(port)).toBe(true)
    press('\x03')
    await expect.poll(output).toContain('Bus EXITED')
    expect(output()).toContain('Received SIGINT, shutting down')
  })
})
