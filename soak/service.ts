/** The service as a process of its own, as it is run elsewhere, and what it holds. */
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { credentials } from '../test/support/dynamodb/dynamodb.ts'
import { type ServiceProcess, startService } from '../test/support/service/process.ts'

/** Short times, so that many lifetimes end in a run, and a fault is felt at once. */
const options = [
  ...['--port=0', '--cache-ttl=300ms', '--max-stale=300ms'],
  ...['--connect-timeout=500ms', '--request-timeout=500ms', '--fetch-timeout=1s', '--max-attempts=2'],
]

const token = 'the-token'

const environment = {
  ...credentials,
  SECRET_BUS_AUTH_TOKEN: token,
  // Where the inspector listens once it is told to: anywhere.
  NODE_OPTIONS: '--inspect-port=0',
}

const megabyte = 1024 * 1024

/** What a process holds. Memory is in MB. */
export interface Held {
  /** When, in minutes. */
  readonly at: number
  readonly rss: number
  /** Without garbage. */
  readonly heap: number
  /** Files and sockets that are open. */
  readonly files: number
  /** Sockets, timers, and whatever else the event loop waits for. */
  readonly resources: number
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
      throw new Error(`the service has ended with ${code}`)
    })
    this.#ended.catch(() => {}) // of interest only while somebody waits for something else
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

  /** The last lines of its log. */
  get lastLines(): string {
    return this.#program.stdout.slice(-5).join('\n')
  }

  /** @throws Error if the service ends meanwhile */
  async held(): Promise<Held> {
    await this.#collectGarbage()
    const at = performance.now() / 60_000
    const { pid } = this.#program.child
    const [, rss] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    const files = readdirSync(`/proc/${pid}/fd`).length
    const { body } = await request(`${this.origin}/metrics`, { headers: this.headers, reset: true })
    const metrics = await body.text()
    const heap = total(metrics, 'nodejs_heap_size_used_bytes') / megabyte
    return { at, rss: Number(rss) / 1024, heap, files, resources: total(metrics, 'nodejs_active_resources') }
  }

  hangUp(): void {
    this.#program.child.kill('SIGHUP')
  }

  /**
   * Tells it to exit.
   * @param told whether somebody else may have told it already: a second signal would end it at once
   * @returns its exit code
   */
  async exit({ told = false } = {}): Promise<number | NodeJS.Signals> {
    const { child, exited } = this.#program
    this.#inspector.close() // or it would wait for that
    if (told) await Promise.race([exited, sleep(2_000)])
    child.kill('SIGTERM')
    return exited
  }

  /** Through the inspector, which every Node has: the service needs no flag for it that it does not have elsewhere. */
  async #collectGarbage(): Promise<void> {
    this.#inspector.send('{"id":1,"method":"HeapProfiler.collectGarbage"}')
    await Promise.race([once(this.#inspector, 'message'), this.#ended])
  }
}

/** The sum of a metric, over all its labels. */
function total(metrics: string, name: string): number {
  const values = metrics.matchAll(RegExp(`^${name}(?:{.*})? (.+)$`, 'gm'))
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0)
}
