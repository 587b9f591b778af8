/** The service in a child process, with real arguments, signals and output. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The compile cache that all started processes share. */
const compileCache = fileURLToPath(new URL('../../../node_modules/.cache/secret-bus', import.meta.url))
const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url))

export interface ServiceProcess {
  readonly child: ChildProcess
  /** The output so far, by line. */
  readonly stdout: string[]
  readonly stderr: string[]
  /** Resolves to the first line of stdout that matches, past or future; rejects if the process ends before. */
  line(pattern: RegExp): Promise<string>
  /** Resolves to the URL that it listens on, once it does. */
  address(): Promise<string>
  /** Resolves to the exit code or signal, once all output has been read. */
  readonly exited: Promise<number | NodeJS.Signals>
}

/**
 * Starts the service. Its environment consists of `PATH`, settings that disable real AWS credentials, and `env`.
 * @param program the file to run; `src/main.ts` by default
 * @param descriptors the number of files and sockets that the process may open
 * @param cwd the working directory; that of this process by default
 */
export function startService(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  program = main,
  descriptors?: number,
  cwd?: string,
): ServiceProcess {
  const node = [process.execPath, program, ...args]
  const limited = ['bash', '-c', 'ulimit -n "$0" && exec "$@"', String(descriptors), ...node]
  const [command = '', ...rest] = descriptors === undefined ? node : limited
  const child = spawn(command, rest, {
    cwd,
    env: {
      PATH: process.env['PATH'],
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_CONFIG_FILE: '/dev/null',
      NODE_COMPILE_CACHE: compileCache,
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
      throw new Error(
        `the process ended before it wrote a line that matches ${pattern}:\n${[...stdout, ...stderr].join('\n')}`,
      )
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
