/** The service as a process of its own, run as a user would: real arguments, real signals, real output. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Where those that are started keep what they have compiled, for those after them. */
const compiled = fileURLToPath(new URL('../../node_modules/.cache/secret-bus', import.meta.url))
const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url))

export interface ServiceProcess {
  readonly child: ChildProcess
  /** What it has written so far, line by line. */
  readonly stdout: string[]
  readonly stderr: string[]
  /** Resolves to the first line of stdout that matches, written already or yet to come; rejects if the process ends. */
  line(pattern: RegExp): Promise<string>
  /** Where it listens, once it does. */
  address(): Promise<string>
  /** Resolves to the exit code, or the signal that ended it, once all output is read. */
  readonly exited: Promise<number | NodeJS.Signals>
}

/**
 * Starts the service. Its environment is `PATH`, what keeps it from a real AWS, and `env`.
 * @param program its file; that of the sources when not given
 */
export function startService(args: readonly string[], env: NodeJS.ProcessEnv = {}, program = main): ServiceProcess {
  const child = spawn(process.execPath, [program, ...args], {
    env: {
      PATH: process.env['PATH'],
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_CONFIG_FILE: '/dev/null',
      NODE_COMPILE_CACHE: compiled,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stdout: string[] = []
  const stderr: string[] = []
  const lines = createInterface({ input: child.stdout }).on('line', (line) => stdout.push(line))
  createInterface({ input: child.stderr }).on('line', (line) => stderr.push(line))
  const exited = once(child, 'close').then(([code, signal]): number | NodeJS.Signals => code ?? signal)

  const line = async (pattern: RegExp) => {
    const ended = exited.then(() => {
      throw new Error(`ended without a line like ${pattern}:\n${[...stdout, ...stderr].join('\n')}`)
    })
    const matching = async () => {
      for (let read = 0; ; read += 1) {
        while (read >= stdout.length) await once(lines, 'line')
        const text = stdout[read] ?? ''
        if (pattern.test(text)) return text
      }
    }
    return Promise.race([matching(), ended])
  }
  const address = async () => JSON.parse(await line(/"Listening on/)).address
  return { child, stdout, stderr, line, address, exited }
}
