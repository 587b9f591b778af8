/** Runs the service in a child process and measures its resources. */
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { credentials } from '../test/support/dynamodb/dynamodb.ts'
import { type ServiceProcess, startService } from '../test/support/service/process.ts'

/** Short TTLs and timeouts, so that many refreshes occur in a run and a fault takes effect immediately. */
const options = [
  ...['--port=0', '--cache-ttl=1s', '--max-stale=300ms'],
  ...['--connect-timeout=500ms', '--request-timeout=500ms', '--fetch-timeout=1s', '--max-attempts=2'],
]

const token = 'the-token'

const environment = {
  ...credentials,
  SECRET_BUS_AUTH_TOKEN: token,
  // The debugger, which SIGUSR1 starts, selects a free port.
  NODE_OPTIONS: '--inspect-port=0',
}

const megabyte = 1024 * 1024

/** The resources of the process. Memory is in MB. */
export interface Resources {
  /** Time of the sample, in minutes. */
  readonly at: number
  readonly rss: number
  /** After garbage collection. */
  readonly heap: number
  /** Open files and sockets. */
  readonly files: number
  /** Active resources of the event loop, such as sockets and timers. */
  readonly active: number
}

export class Service {
  readonly headers = { authorization: `Bearer ${token}` }
  readonly origin: string
  readonly #program: ServiceProcess
  readonly #inspector: WebSocket
  readonly #ended: Promise<never>

  private constructor(origin: string, program: ServiceProcess, inspector: WebSocket) {
    this.origin = origin
    this.#program = program
    this.#inspector = inspector
    this.#ended = program.exited.then((code) => {
      throw new Error(`The service exited with ${code}`)
    })
    this.#ended.catch(() => {}) // handled by the `Promise.race` below
  }

  static async start(codeNames: Iterable<string>, endpoint: string): Promise<Service> {
    const names = [...codeNames].map((codeName) => `--code-name=${codeName}`)
    const program = startService([`--dynamodb-endpoint=${endpoint}`, ...names, ...options], environment)
    const { child, stderr } = program
    process.once('exit', () => child.kill('SIGKILL'))
    const origin = await program.address()
    child.kill('SIGUSR1')
    const address = () => /ws:\/\/\S+/.exec(stderr.join('\n'))?.[0]
    while (address() === undefined && child.exitCode === null) await sleep(50)
    const inspector = new WebSocket(address() ?? '')
    await once(inspector, 'open')
    return new Service(origin, program, inspector)
  }

  /** The last lines of the log. */
  get lastLines(): string {
    return this.#program.stdout.slice(-5).join('\n')
  }

  /** @throws Error if the service exits meanwhile */
  async resources(): Promise<Resources> {
    await this.#collectGarbage()
    const at = performance.now() / 60_000
    const { pid } = this.#program.child
    const [, rss] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    const files = readdirSync(`/proc/${pid}/fd`).length
    const { body } = await request(`${this.origin}/metrics`, { headers: this.headers, reset: true })
    const metrics = await body.text()
    const heap = total(metrics, 'nodejs_heap_size_used_bytes') / megabyte
    return { at, rss: Number(rss) / 1024, heap, files, active: total(metrics, 'nodejs_active_resources') }
  }

  hangUp(): void {
    this.#program.child.kill('SIGHUP')
  }

  /**
   * Shuts the service down with SIGTERM.
   * @param options.alreadySignalled whether it may have received a signal from the terminal: a second one ends it
   *   immediately, so it gets 2 s to exit first
   * @returns the exit code
   */
  async exit({ alreadySignalled = false } = {}): Promise<number | NodeJS.Signals> {
    const { child, exited } = this.#program
    this.#inspector.close() // an open debugger session would delay the exit
    if (alreadySignalled) await Promise.race([exited, sleep(2_000)])
    child.kill('SIGTERM')
    return exited
  }

  /** Uses the debugger protocol, so that the service runs without additional flags. */
  async #collectGarbage(): Promise<void> {
    this.#inspector.send('{"id":1,"method":"HeapProfiler.collectGarbage"}')
    await Promise.race([once(this.#inspector, 'message'), this.#ended])
  }
}

/** The sum of all samples of a metric. */
function total(metrics: string, name: string): number {
  const values = metrics.matchAll(RegExp(`^${name}(?:{.*})? (.+)$`, 'gm'))
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0)
}
