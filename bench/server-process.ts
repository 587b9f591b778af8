/** Runs a server in a child process and reads its CPU time and memory from `/proc` (Linux). */
import { spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { get as getSecurely } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { generate } from 'selfsigned'
import { credentials } from '../test/support/dynamodb/dynamodb.ts'

/** The clock tick of `/proc`, in microseconds: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html. */
const tick = 10_000

export interface ServerProcess {
  readonly origin: string
  readonly pid: number
  /** Headers that every request must have. */
  readonly headers: Readonly<Record<string, string>>
  /** Time from exec to the first response with 200, in milliseconds. */
  readonly tookToAnswer: number
  /** CPU time so far, in microseconds. */
  cpu(): number
  /** Resident memory, in MB. */
  rss(): number
  stop(): Promise<void>
}

/** How a server is started. */
export interface Server {
  /** The program; Node.js by default. */
  readonly command?: string
  /** Returns the arguments of the program for the port to listen on. */
  readonly args: (port: number) => readonly string[]
  readonly scheme?: 'http' | 'https'
  readonly env?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Fastify with only the routes of the service. */
export const bareFastify: Server = { args: (port) => [file('servers/fastify.js'), `${port}`] }

/** Bare Fastify that also writes the audit line, with pino in its default configuration, and uses `@fastify/bearer-auth`. */
export const guardedFastify: Server = {
  args: (port) => [file('servers/fastify.js'), `${port}`, '--guarded'],
  headers: { authorization: 'Bearer a-token-of-some-length' },
}

export const moleculerWeb: Server = { args: (port) => [file('servers/moleculer-web.js'), `${port}`] }

export const cherrypy = (endpoint: string): Server => ({
  command: '/usr/bin/python3', // with the packages of Debian
  args: (port) => [file('servers/cherrypy-server.py'), `${port}`, endpoint],
})

/** `node:http` with the same responses. */
export const nodeHttp: Server = { args: (port) => [file('servers/node-http.js'), `${port}`] }

/** The bundled service with its default options. Node.js has the flags of the image. */
export const service = (endpoint: string, ...options: string[]): Server => ({
  args: (port) => [
    ...['--enable-source-maps', '--max-semi-space-size=16', file('../bundle/main.js')],
    ...['--port', `${port}`, '--dynamodb-endpoint', endpoint, ...options],
  ],
})

const folder = mkdtempSync(join(tmpdir(), 'bench-'))
process.once('exit', () => rmSync(folder, { recursive: true }))

/** The service as in production: named clients with a scope, and a finite TTL. Requests are those of the last client. */
export function production(endpoint: string, options: readonly string[] = [], clients = 1): Server {
  const tokenOf = (client: number) => `the-token-of-client-${client}`
  const entries = Array.from({ length: clients }, (_, client) => ({
    name: `client-${client}`,
    tokens: [`sha256:${hash('sha256', tokenOf(client))}`],
    secrets: ['thedoctor'],
    may: ['secrets'],
  }))
  const path = join(folder, `${clients}.json`)
  writeFileSync(path, JSON.stringify({ clients: entries }))
  return {
    ...service(endpoint, '--clients', path, '--cache-ttl', '1m', ...options),
    headers: { authorization: `Bearer ${tokenOf(clients - 1)}` },
  }
}

/** Production with TLS. */
export async function secureProduction(endpoint: string): Promise<Server> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
    keyType: 'ec',
    algorithm: 'sha256',
  })
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  writeFileSync(certFile, cert)
  writeFileSync(keyFile, key)
  return { ...production(endpoint, ['--tls-cert', certFile, '--tls-key', keyFile]), scheme: 'https' }
}

let lastPort = 5_500

/** Starts the server and waits until it answers a path with 200. */
export async function startServer(
  { command = process.execPath, args, scheme = 'http', env, headers = {} }: Server,
  path = '/health',
): Promise<ServerProcess> {
  lastPort += 1
  const origin = `${scheme}://127.0.0.1:${lastPort}`
  // The log goes through a pipe that another process reads, as in a container.
  const log = spawn('cat', { stdio: ['pipe', 'ignore', 'inherit'] })
  const began = performance.now()
  const child = spawn(command, args(lastPort), {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...credentials, ...env },
    stdio: ['ignore', log.stdin, 'inherit'],
  })
  log.stdin.destroy()
  while ((await statusOf(origin + path, headers)) !== 200) {
    if (child.exitCode !== null) throw new Error(`The server exited with ${child.exitCode} before its first response`)
    await setTimeout(1)
  }
  const tookToAnswer = performance.now() - began
  const proc = (file: string) => readFileSync(`/proc/${child.pid}/${file}`, 'utf8')
  return {
    origin,
    pid: child.pid ?? 0,
    headers,
    tookToAnswer,
    cpu: () => {
      // The program name, in parentheses, may contain spaces.
      const [, fields = ''] = /\) (.*)/.exec(proc('stat')) ?? []
      const [user = Number.NaN, system = Number.NaN] = fields.split(' ').slice(11, 13).map(Number)
      return (user + system) * tick
    },
    rss: () => Number(/VmRSS:\s+(\d+)/.exec(proc('status'))?.[1]) / 1_000,
    stop: async () => {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      if (child.exitCode === null && child.signalCode === null) await exited
    },
  }
}

/** The status of the response; 0 if there is none. */
function statusOf(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve) => {
    const onResponse = (response: IncomingMessage) =>
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    const options = { agent: false, headers }
    const request = url.startsWith('https:')
      ? getSecurely(url, { ...options, rejectUnauthorized: false }, onResponse)
      : get(url, options, onResponse)
    request.on('error', () => resolve(0))
  })
}
