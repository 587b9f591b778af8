/** What the environment of the process changes: variables, the terminal, and a missing home directory. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { credentials, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { startTestService } from '../support/service/test-service.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Preloads a module. */
const preload = (module: string) => ({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(module)}` })

/** Pretends that stdout is a terminal of this width. */
const terminal = (columns: number) => preload(`Object.assign(process.stdout, { isTTY: true, columns: ${columns} })`)

describe('unknown variables', () => {
  const env = {
    SECRET_BUS_PROT: '80',
    SECRET_BUS_DRAIN: 'tcp://10.96.0.12:5000',
    SECRET_BUS_SERVICE_HOST: '10.96.0.12',
  }

  test('are logged by the service', async () => {
    const service = startTestService(['--embedded'], env)
    await service.line(/Bus STARTED/)

    const warnings = service.stdout.map((line) => JSON.parse(line)).filter(({ level }) => level === 'warn')
    expect(warnings.map(({ msg }) => msg)).toEqual([
      'Ignoring unknown variable SECRET_BUS_PROT; did you mean SECRET_BUS_PORT?',
      expect.stringMatching(/^Ignoring variable SECRET_BUS_DRAIN: it must be a duration .*, received a URL/),
    ])
  })

  test('are not reported by other commands', async () => {
    const { exited, stdout, stderr } = startTestService(['channels'], env)

    expect(await exited).toBe(0)
    expect([...stdout, ...stderr].join('\n')).not.toContain('PROT')
  })
})

describe('output that cannot be written', () => {
  test.each(['--help', '--version', 'completion', 'channels', '--get-yargs-completions'])(
    'makes %s fail',
    async (argument) => {
      const full = openSync('/dev/full', 'w')
      onTestFinished(() => closeSync(full))
      const child = spawn(process.execPath, [main, argument], {
        env: { PATH: process.env['PATH'] },
        stdio: ['ignore', full, 'pipe'],
      })
      const exited = once(child, 'close')

      expect(child.stderr && (await text(child.stderr))).toMatch(/^secret-bus: Failed to write to stdout: ENOSPC.*\n$/)
      expect(await exited).toEqual([70, null])
    },
  )
})

describe('the help', () => {
  test.each([
    [100, 100],
    [20, 60],
    [400, 120],
  ])('on a terminal with %i columns has lines of up to %i characters', async (columns, expected) => {
    const { exited, stdout } = startTestService(['--help'], terminal(columns))

    expect(await exited).toBe(0)
    expect(Math.max(...stdout.map((line) => line.length))).toBe(expected)
  })
})

describe('the readable log', () => {
  /** Whether the log is colored. The process fails to start, which it logs as an error. */
  async function isColored(env: Record<string, string>): Promise<boolean> {
    const { exited, stdout } = startTestService(['--host', '0.0.0.0', '--log-format', 'pretty'], env)
    expect(await exited).toBe(64)
    expect(stdout.join('\n')).toContain('--allow-anonymous')
    return stdout.join('\n').includes('\u001b[')
  }

  test.each<[string, Record<string, string>]>([
    ['by default', {}],
    ['with empty variables', { NO_COLOR: '', FORCE_COLOR: '' }],
    ['with FORCE_COLOR and NO_COLOR', { FORCE_COLOR: '1', NO_COLOR: '1' }],
  ])('is colored on a terminal %s', async (_what, env) => {
    expect(await isColored({ ...terminal(80), ...env })).toBe(true)
  })

  test.each<[string, Record<string, string>]>([
    ['NO_COLOR', { NO_COLOR: '1' }],
    ['TERM=dumb', { TERM: 'dumb' }],
    ['FORCE_COLOR=0', { FORCE_COLOR: '0' }],
  ])('is not colored on a terminal with %s', async (_what, env) => {
    expect(await isColored({ ...terminal(80), ...env })).toBe(false)
  })

  test('is colored without a terminal only with FORCE_COLOR', async () => {
    expect(await isColored({})).toBe(false)
    expect(await isColored({ FORCE_COLOR: '1' })).toBe(true)
  })
})

test('secrets are read without a home directory and without an entry in the password file', async () => {
  const dynamodb = await startDynamodb()
  onTestFinished(dynamodb.close)
  await dynamodb.putSecret('thedoctor', 'run')
  const homeless = preload(`
    import os from 'node:os'
    import { syncBuiltinESMExports } from 'node:module'
    os.userInfo = () => { throw new Error('A system error occurred: uv_os_get_passwd returned ENOENT') }
    os.homedir = () => process.env.HOME ?? os.userInfo()
    syncBuiltinESMExports()`)

  const service = startTestService(['--dynamodb-endpoint', dynamodb.endpoint], {
    ...credentials,
    ...homeless,
    AWS_CONFIG_FILE: undefined,
    AWS_SHARED_CREDENTIALS_FILE: undefined,
  })

  expect(await (await fetch(`${await service.address()}/secret`)).json()).toEqual({ secret_code: 'run' })
})
