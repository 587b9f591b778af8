/** Clients that request every route many times and read no reply: the memory of the service, and how it serves others. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { connect as connectSecurely } from 'node:tls'
import { Agent, request } from 'undici'
import { expect, test } from 'vitest'
import { certificateFiles, newCertificate } from '../support/http/certificate.ts'
import type { ServiceProcess } from '../support/service/process.ts'
import { startTestService } from '../support/service/test-service.ts'

const token = 'a-token-of-some-length'
const authorization = `Bearer ${token}`

type Target = [line: string, ...headers: string[]]
type Size = readonly [connections: number, pipelined: number]

/** Every route of the service, the variants of its replies, and replies without a route. */
const targets: Target[] = [
  ...[
    'GET /secret',
    'GET /secret/unknown',
    'GET /health',
    'GET /ready',
    'GET /metrics',
    'HEAD /metrics',
    'GET /openapi.json',
    'GET /docs',
    'GET /docs/docs.js',
    'GET /docs/docs.css',
    'GET /docs/swagger-ui.css',
    'GET /docs/swagger-ui-bundle.js',
    'HEAD /docs/swagger-ui-bundle.js',
    'GET /-/bus',
    'GET /-/bus/inspector.js',
    'GET /-/bus/inspector.css',
    'GET /-/bus/wiring.js',
    'GET /-/bus/layout.js',
    'GET /-/bus/drawing.js',
    'GET /-/bus/units.js',
    'GET /-/bus/events',
    'POST /-/reload',
    'GET /nothing',
  ].map((line): [string, string] => [line, `Authorization: ${authorization}`]),
  ['GET /docs/swagger-ui-bundle.js', `Authorization: ${authorization}`, 'Accept-Encoding: gzip'],
  ['GET /metrics', `Authorization: ${authorization}`, 'Accept-Encoding: gzip'],
  ['GET /secret'],
  ['GET /%'],
]

const sizes: Size[] = [
  [1, 3_000],
  [300, 1],
  [300, 5],
]

interface Attacked {
  readonly protocol: string
  readonly origin: string
  readonly service: ServiceProcess
}

/** Starts the service and warms it up. */
async function warm(protocol: string): Promise<Attacked> {
  const { options } = await certificateFiles(await newCertificate())
  const tls = protocol === 'https' ? ['--tls-cert', options.tlsCert, '--tls-key', options.tlsKey] : []
  const env = { SECRET_BUS_AUTH_TOKEN: token, NODE_OPTIONS: '--max-semi-space-size=16' } // as in the image
  const service = startTestService(['--embedded', '--inspector', ...tls], env)
  const attacked = { protocol, service, origin: await service.address() }
  await expect.poll(async () => (await request(`${attacked.origin}/ready`, { dispatcher })).statusCode).toBe(200)
  // Loads every module and file, and lets V8 compile what each request uses and size its heap for many of them.
  for (const [line] of targets) close(await attack(attacked, [line, `Authorization: ${authorization}`], [1, 1]))
  for (let count = 0; count < 2_000; count += 1) await visit(attacked)
  close(await attack(attacked, ['GET /secret', `Authorization: ${authorization}`], [300, 5]))
  await visit(attacked)
  return attacked
}

/** Opens connections that send the request several times and read nothing. */
async function attack({ protocol, origin }: Attacked, [line, ...headers]: Target, [connections, pipelined]: Size) {
  const text = [`${line} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n').repeat(pipelined)
  const { hostname: host, port } = new URL(origin)
  const address = { host, port: Number(port), rejectUnauthorized: false }
  const sockets = Array.from({ length: connections }, (): Socket => {
    const socket = protocol === 'https' ? connectSecurely(address) : connect(address)
    socket.on('error', () => {}).pause()
    socket.write(text)
    return socket
  })
  await Promise.all(sockets.map((socket) => once(socket, protocol === 'https' ? 'secureConnect' : 'connect')))
  return sockets
}

function close(sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.destroy()
}

const dispatcher = new Agent({ connect: { rejectUnauthorized: false } })

/**
 * Gets the secret like any other client, and again if the service is overloaded, which it is for a second after the
 * machine has stalled. Returns the duration of all attempts in milliseconds.
 */
async function visit({ origin }: Attacked): Promise<number> {
  const began = performance.now()
  for (;;) {
    const { statusCode, body } = await request(`${origin}/secret`, { dispatcher, headers: { authorization } })
    await body.dump()
    if (statusCode === 200) return performance.now() - began
    expect(statusCode).toBe(503)
  }
}

/** The resident memory of the service in MB. */
function memory({ service }: Attacked): number {
  const status = readFileSync(`/proc/${service.child.pid}/status`, 'utf8')
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024)
}

/** Visits the service during an attack, and returns its largest memory and the durations in ascending order. */
async function watch(attacked: Attacked) {
  const durations: number[] = []
  let most = 0
  for (let count = 0; count < 30; count += 1) {
    durations.push(await visit(attacked))
    most = Math.max(most, memory(attacked))
    await setTimeout(20) // the rate of the visits
  }
  durations.sort((a, b) => a - b)
  return { most, median: durations[15] ?? NaN, longest: durations.at(-1) ?? NaN }
}

test.each(['http', 'https'])(
  'unread replies over %s take little memory and delay no other client',
  async (protocol) => {
    const attacked = await warm(protocol)
    const figures: string[] = []

    // TLS makes a difference to how replies are written, not to what they contain.
    for (const target of targets.filter((_, index) => protocol === 'http' || index % 5 === 0)) {
      for (const size of sizes) {
        const before = memory(attacked)
        const sockets = await attack(attacked, target, size)
        const { most, median, longest } = await watch(attacked)
        const name = `${protocol} ${size.join(' × ')} ${target[0]}`
        expect.soft(most - before, `memory in MB, ${name}`).toBeLessThanOrEqual(100)
        expect.soft(median, `median in ms, ${name}`).toBeLessThan(100)
        const took = `median ${median.toFixed(1)} ms, longest ${longest.toFixed(0)} ms`
        figures.push(`${name.padEnd(50)} memory +${most - before} MB, other clients: ${took}`)
        close(sockets)
      }
    }
    // The clients stay. Compared with the start of this attack: V8 and the allocator keep what thousands of earlier
    // connections made them reserve.
    const start = memory(attacked)
    const sockets = await attack(
      attacked,
      ['GET /docs/swagger-ui-bundle.js', `Authorization: ${authorization}`],
      [300, 5],
    )
    await setTimeout(60_000) // the promise is about a minute
    figures.push(`${protocol} a minute later: memory +${memory(attacked) - start} MB`)
    process.stdout.write(`${figures.join('\n')}\n`)

    expect(memory(attacked) - start).toBeLessThanOrEqual(40)
    expect(await visit(attacked)).toBeGreaterThan(0)
    close(sockets)
  },
  900_000,
)
