/** A server in a process of its own, and what the operating system says that it has used (Linux). */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { credentials } from '../test/support/dynamodb/dynamodb.ts'

/** A tick of `/proc`, in microseconds: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html. */
const tick = 10_000

export interface ServerProcess {
  readonly origin: string
  readonly pid: number
  /** Whatever must be sent with a request. */
  readonly headers: Readonly<Record<string, string>>
  /** From exec to the first answer with 200, in milliseconds. */
  readonly tookToAnswer: number
  /** Time on a processor so far, in microseconds. */
  cpu(): number
  /** Memory that is in use, in MB. */
  rss(): number
  stop(): Promise<void>
}

/** How a server is started. */
export interface Server {
  /** Arguments of node, made with the port to listen on. */
  readonly args: (port: number) => readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Fastify with the routes of the service, and nothing else. */
export const bareFastify: Server = { args: (port) => [file('servers/fastify.js'), `${port}`] }

/** The same, but it writes the line of the audit trail, with pino as it comes. */
export const writingFastify: Server = { args: (port) => [file('servers/fastify.js'), `${port}`, '--line'] }

/** Node, and the same answers. */
export const nodeHttp: Server = { args: (port) => [file('servers/node-http.js'), `${port}`] }

/** The service as the image runs it, with all that it does by default. */
export const service = (endpoint: string, ...options: string[]): Server => ({
  args: (port) => [
    ...['--enable-source-maps', '--max-semi-space-size=16', file('../bundle/main.js')],
    ...['--port', `${port}`, '--dynamodb-endpoint', endpoint, ...options],
  ],
})

/** The service, which asks for a token, too. */
export const guardedService = (endpoint: string): Server => ({
  ...service(endpoint),
  env: { SECRET_BUS_AUTH_TOKEN: 'a-token-of-some-length' },
  headers: { authorization: 'Bearer a-token-of-some-length' },
})

let lastPort = 5_500

/** Starts it, and waits until a path is answered with 200. */
export async function startServer({ args, env, headers = {} }: Server, path = '/health'): Promise<ServerProcess> {
  lastPort += 1
  const origin = `http://127.0.0.1:${lastPort}`
  // What it logs goes through a pipe to somebody who reads it, as in a container.
  const log = spawn('cat', { stdio: ['pipe', 'ignore', 'inherit'] })
  const began = performance.now()
  const child = spawn(process.execPath, args(lastPort), {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...credentials, ...env },
    stdio: ['ignore', log.stdin, 'inherit'],
  })
  log.stdin.destroy()
  while ((await statusOf(origin + path, headers)) !== 200) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode} before it answered`)
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
      // The name of the program, in parentheses, may have spaces.
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

/** From exec to exit, in milliseconds. */
export async function runNode(...args: string[]): Promise<number> {
  const began = performance.now()
  await once(spawn(process.execPath, args, { stdio: 'ignore' }), 'exit')
  return performance.now() - began
}

/** 0 if nobody answers. */
function statusOf(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve) => {
    get(url, { agent: false, headers }, (response) =>
      response.resume().on('end', () => resolve(response.statusCode ?? 0)),
    ).on('error', () => resolve(0))
  })
}
