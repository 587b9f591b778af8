/** A real load balancer in front of instances of the service: HAProxy, as a process of its own. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { onTestFinished, vi } from 'vitest'

/** Debian keeps HAProxy where the PATH of ordinary users does not look. */
const env = { PATH: `${process.env['PATH']}:/usr/sbin` }

export const haproxyInstalled = spawnSync('haproxy', ['-v'], { env }).status === 0

export interface Haproxy {
  readonly origin: string
  /** Whether its health check has this instance take traffic. */
  isUp(instance: string): Promise<boolean>
  /** How many requests this instance has answered with success; health checks are not counted. */
  answeredBy(instance: string): Promise<number>
  /** How many connections clients have opened, and how many it has opened to the instances. */
  connections(): Promise<{ fromClients: number; toInstances: number }>
}

/**
 * Starts HAProxy in front of the instances, given by name and port. It is ended when the test is finished.
 * @param options.checkInterval how often it asks each instance whether it is ready, in milliseconds
 */
export async function startHaproxy(
  instances: Readonly<Record<string, number>>,
  options: { readonly checkInterval: number },
): Promise<Haproxy> {
  const folder = await mkdtemp(join(tmpdir(), 'haproxy-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const port = await steadyPort()
  const controls = join(folder, 'controls')
  const file = join(folder, 'haproxy.cfg')
  await writeFile(file, configuration(port, controls, instances, options.checkInterval))
  const child = spawn('haproxy', ['-db', '-f', file], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(child, 'close')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const complaints = text(child.stderr)

  const statistics = async () => {
    if (child.exitCode !== null) throw new Error(`HAProxy has ended:\n${await complaints}`)
    const socket = connect(controls).end('show stat\n')
    return rowsOf(await text(socket))
  }
  const row = async (proxy: string, server: string) => {
    const found = (await statistics()).find(({ pxname, svname }) => pxname === proxy && svname === server)
    if (!found) throw new Error(`HAProxy knows no ${proxy}/${server}`)
    return found
  }
  await vi.waitFor(statistics, { timeout: 10_000 })
  return {
    origin: `http://127.0.0.1:${port}`,
    isUp: async (instance) => (await row('instances', instance))['status'] === 'UP',
    answeredBy: async (instance) => Number((await row('instances', instance))['hrsp_2xx']),
    connections: async () => ({
      fromClients: Number((await row('clients', 'FRONTEND'))['stot']),
      toInstances: Number((await row('instances', 'BACKEND'))['connect']),
    }),
  }
}

/**
 * Connections are kept on both sides, and any request may go out on any connection that idles, as with the balancers of
 * clouds. Nothing is tried twice, so that no failure is hidden.
 */
const configuration = (
  port: number,
  controls: string,
  instances: Readonly<Record<string, number>>,
  checkInterval: number,
) => `
global
  stats socket ${controls}

defaults
  mode http
  option http-keep-alive
  http-reuse always
  retries 0
  no option redispatch
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 10s

frontend clients
  bind 127.0.0.1:${port}
  default_backend instances

backend instances
  balance roundrobin
  option httpchk GET /ready
  http-check expect status 200
  default-server check inter ${checkInterval}ms fall 1 rise 1
${Object.entries(instances)
  .map(([name, instance]) => `  server ${name} 127.0.0.1:${instance}\n`)
  .join('')}`

/** The rows of a CSV whose first line has the names of its columns. */
function rowsOf(csv: string): Record<string, string>[] {
  const [names = [], ...rows] = csv
    .replace(/^# /, '')
    .trim()
    .split('\n')
    .map((line) => line.split(','))
  return rows.map((values) => Object.fromEntries(names.map((name, index) => [name, values[index] ?? ''])))
}

/**
 * A free port that is still free when whoever has it is restarted: the system gives those below 30,000 to nobody who does
 * not ask for them.
 */
export async function steadyPort(): Promise<number> {
  const port = 20_000 + Math.floor(Math.random() * 10_000)
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return steadyPort()
  }
  server.close()
  await once(server, 'close')
  return port
}
