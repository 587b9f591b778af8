/** A real load balancer in front of instances of the service: HAProxy in a child process. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { onTestFinished, vi } from 'vitest'

/** Debian installs HAProxy in a directory outside the PATH of ordinary users. */
const env = { PATH: `${process.env['PATH']}:/usr/sbin` }

export const haproxyInstalled = spawnSync('haproxy', ['-v'], { env }).status === 0

export interface Haproxy {
  readonly origin: string
  /** Whether the health check of the instance passes, so that it receives traffic. */
  isUp(instance: string): Promise<boolean>
  /** Number of 2xx responses of the instance, without health checks. */
  answeredBy(instance: string): Promise<number>
  /** Number of connections opened by clients and to the instances. */
  connections(): Promise<{ fromClients: number; toInstances: number }>
}

/**
 * Starts HAProxy in front of the instances. It is killed when the test ends.
 * @param instances ports by instance name
 * @param options.checkInterval interval of the readiness checks, in milliseconds
 */
export async function startHaproxy(
  instances: Readonly<Record<string, number>>,
  options: { readonly checkInterval: number },
): Promise<Haproxy> {
  const folder = await mkdtemp(join(tmpdir(), 'haproxy-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const port = await steadyPort()
  const statsSocket = join(folder, 'stats')
  const file = join(folder, 'haproxy.cfg')
  await writeFile(file, configuration(port, statsSocket, instances, options.checkInterval))
  const child = spawn('haproxy', ['-db', '-f', file], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(child, 'close')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const stderr = text(child.stderr)

  const statistics = async () => {
    if (child.exitCode !== null) throw new Error(`HAProxy exited:\n${await stderr}`)
    const socket = connect(statsSocket).end('show stat\n')
    return rowsOf(await text(socket))
  }
  const row = async (proxy: string, server: string) => {
    const found = (await statistics()).find(({ pxname, svname }) => pxname === proxy && svname === server)
    if (!found) throw new Error(`HAProxy has no server ${proxy}/${server}`)
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
 * Like cloud load balancers, it keeps connections alive on both sides and sends a request on any idle connection.
 * Retries are off, so that no failure is hidden. A header names the instance that responds.
 */
const configuration = (
  port: number,
  statsSocket: string,
  instances: Readonly<Record<string, number>>,
  checkInterval: number,
) => `
global
  stats socket ${statsSocket}

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
  http-response set-header x-instance %s
  default-server check inter ${checkInterval}ms fall 1 rise 1
${Object.entries(instances)
  .map(([name, instance]) => `  server ${name} 127.0.0.1:${instance}\n`)
  .join('')}`

/** Parses CSV with a header line. */
function rowsOf(csv: string): Record<string, string>[] {
  const [names = [], ...rows] = csv
    .replace(/^# /, '')
    .trim()
    .split('\n')
    .map((line) => line.split(','))
  return rows.map((values) => Object.fromEntries(names.map((name, index) => [name, values[index] ?? ''])))
}

/**
 * Returns a free port that stays free while its server restarts: it is below 30,000, outside the range of ephemeral
 * ports.
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
