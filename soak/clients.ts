/** The load: well-behaved and misbehaving clients. Expected responses are counted, all others are failures. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, request } from 'undici'
import type { Service } from './service.ts'

/** Counts of expected events and of failures, by name. */
export class Tally {
  readonly counts = new Map<string, number>()
  readonly failures = new Map<string, number>()

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  fail(what: string): void {
    this.failures.set(what, (this.failures.get(what) ?? 0) + 1)
  }
}

export interface Target extends Pick<Service, 'origin' | 'headers'> {
  /** Values by code name. `/secret` serves the first. */
  readonly secrets: ReadonlyMap<string, string>
  /** Whether requests for secrets may fail because of a fault of the source. */
  readonly disturbed: boolean
}

interface Check {
  readonly path: string
  readonly headers: { readonly authorization?: string }
  readonly status: number
  /** The expected body of a secret; other bodies are not checked. */
  readonly body?: string
}

function checksOf({ headers, secrets }: Target): Check[] {
  const secret = (path: string, value = '') => ({
    path,
    headers,
    status: 200,
    body: JSON.stringify({ secret_code: value }),
  })
  return [
    secret('/secret', [...secrets.values()][0]),
    ...[...secrets].map(([codeName, value]) => secret(`/secret/${encodeURIComponent(codeName)}`, value)),
    { path: '/secret/missing', headers, status: 404 },
    { path: '/secret', headers: { authorization: 'Bearer another-token' }, status: 401 },
    { path: '/health', headers: {}, status: 200 },
    { path: '/ready', headers: {}, status: 200 },
  ]
}

/** Sends one request after another, with a pause in between. */
export async function steadyClient(target: Target, dispatcher: Dispatcher, tally: Tally, until: AbortSignal) {
  const checks = checksOf(target)
  for (let turn = Math.floor(Math.random() * checks.length); !until.aborted; turn += 1) {
    const check = checks[turn % checks.length]
    if (check) await perform(check, target, dispatcher, tally)
    await sleep(50)
  }
}

async function perform(check: Check, target: Target, dispatcher: Dispatcher, tally: Tally): Promise<void> {
  const { path, headers, status, body } = check
  const wasDisturbed = target.disturbed
  try {
    const reply = await request(`${target.origin}${path}`, { dispatcher, headers })
    const received = await reply.body.text()
    const mayFail = body !== undefined && (wasDisturbed || target.disturbed)
    if (reply.statusCode === status && (body === undefined || received === body)) tally.count(`GET ${path} ${status}`)
    else if (mayFail && isSourceProblem(received)) tally.count(`GET /secret... ${reply.statusCode} during a fault`)
    else tally.fail(`GET ${path} ${reply.statusCode} ${received.slice(0, 80)}`)
  } catch (error) {
    tally.fail(`GET ${path} ${error}`)
  }
}

function isSourceProblem(body: string): boolean {
  return /^\{"type":"urn:secret-bus:problem:(source-(throttled|timeout|unavailable)|timeout)"/.test(body)
}

interface Misbehaviour {
  /** The parts of the request, sent with a pause after each. */
  readonly pieces: readonly string[]
  /** The start of the expected response; absent if the client does not wait for it. */
  readonly reply?: RegExp
}

/** Slow and malformed requests, and aborted connections, by name. */
function misbehaviours({ headers: { authorization } }: Target): Record<string, Misbehaviour> {
  const head = (line: string) => `${line} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\n`
  return {
    slow: { pieces: [...`${head('GET /secret/missing')}connection: close\r\n\r\n`], reply: /^HTTP\/1.1 404 / },
    malformed: { pieces: ['GET / HTTP/1.1\r\nhost : x\r\n\r\n'], reply: /^HTTP\/1.1 400 / },
    'closed without a request': { pieces: [] },
    'closed within the head': { pieces: [head('GET /secret')] },
    'closed within the body': { pieces: [`${head('POST /-/reload')}content-length: 9\r\n\r\nhalf`] },
    'closed before the response': { pieces: [`${head('GET /secret')}\r\n`] },
  }
}

/** Misbehaves in one way after another, each on a new connection. */
export async function misbehavingClient(target: Target, tally: Tally, until: AbortSignal): Promise<void> {
  const all = Object.entries(misbehaviours(target))
  for (let turn = 0; !until.aborted; turn += 1) {
    const [name, { pieces, reply }] = all[turn % all.length] ?? ['', { pieces: [] }]
    const socket = connect(Number(new URL(target.origin).port), '127.0.0.1')
    try {
      await once(socket, 'connect')
      for (const piece of pieces) {
        socket.write(piece)
        await sleep(5)
      }
      if (reply && !reply.test(await text(socket))) throw new Error('unexpected response')
      tally.count(`client ${name}`)
    } catch (error) {
      tally.fail(`client ${name}: ${error}`)
    }
    socket.destroy()
    await sleep(20)
  }
}
