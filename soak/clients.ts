/** The load: clients that are as they should be, and clients that are not. What they are answered is counted, or a failure. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, request } from 'undici'
import type { Service } from './service.ts'

/** What came of everything, by name; and what should not have happened. */
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
  /** By code name. The first is what `/secret` serves. */
  readonly secrets: ReadonlyMap<string, string>
  /** Whether a fault of the source may be felt. */
  readonly disturbed: boolean
}

interface Question {
  readonly path: string
  readonly headers: { readonly authorization?: string }
  readonly status: number
  /** The whole answer, where it is a secret. */
  readonly body?: string
}

function questions({ headers, secrets }: Target): Question[] {
  const secret = (path: string, value = '') => ({
    path,
    headers,
    status: 200,
    body: JSON.stringify({ secret_code: value }),
  })
  return [
    secret('/secret', [...secrets.values()][0]),
    ...[...secrets].map(([codeName, value]) => secret(`/secret/${encodeURIComponent(codeName)}`, value)),
    { path: '/secret/nobody', headers, status: 404 },
    { path: '/secret', headers: { authorization: 'Bearer another-token' }, status: 401 },
    { path: '/health', headers: {}, status: 200 },
    { path: '/ready', headers: {}, status: 200 },
  ]
}

/** Asks one question after another, at its pace. */
export async function steadyClient(target: Target, dispatcher: Dispatcher, tally: Tally, until: AbortSignal) {
  const all = questions(target)
  for (let turn = Math.floor(Math.random() * all.length); !until.aborted; turn += 1) {
    const question = all[turn % all.length]
    if (question) await askOne(question, target, dispatcher, tally)
    await sleep(50)
  }
}

async function askOne(question: Question, target: Target, dispatcher: Dispatcher, tally: Tally): Promise<void> {
  const { path, headers, status, body } = question
  const wasDisturbed = target.disturbed
  try {
    const reply = await request(`${target.origin}${path}`, { dispatcher, headers })
    const said = await reply.body.text()
    const mayFail = body !== undefined && (wasDisturbed || target.disturbed)
    if (reply.statusCode === status && (body === undefined || said === body)) tally.count(`GET ${path} ${status}`)
    else if (mayFail && isOfTheSource(said)) tally.count(`GET /secret... ${reply.statusCode} in a fault`)
    else tally.fail(`GET ${path} ${reply.statusCode} ${said.slice(0, 80)}`)
  } catch (error) {
    tally.fail(`GET ${path} ${error}`)
  }
}

function isOfTheSource(body: string): boolean {
  return /^\{"type":"urn:secret-bus:problem:(source-(throttled|timeout|unavailable)|timeout)"/.test(body)
}

interface Oddity {
  readonly pieces: readonly string[]
  /** The beginning of the reply, if the client waits for it. */
  readonly reply?: RegExp
}

/** What clients do that are slow, broken or in a hurry. */
function oddities({ headers: { authorization } }: Target): Record<string, Oddity> {
  const head = (line: string) => `${line} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\n`
  return {
    slow: { pieces: [...`${head('GET /secret/nobody')}connection: close\r\n\r\n`], reply: /^HTTP\/1.1 404 / },
    malformed: { pieces: ['GET / HTTP/1.1\r\nhost : x\r\n\r\n'], reply: /^HTTP\/1.1 400 / },
    'gone at once': { pieces: [] },
    'gone within the head': { pieces: [head('GET /secret')] },
    'gone within the body': { pieces: [`${head('POST /-/reload')}content-length: 9\r\n\r\nhalf`] },
    'gone before the reply': { pieces: [`${head('GET /secret')}\r\n`] },
  }
}

/** Does one odd thing after another, each on a connection of its own. */
export async function oddClient(target: Target, tally: Tally, until: AbortSignal): Promise<void> {
  const all = Object.entries(oddities(target))
  for (let turn = 0; !until.aborted; turn += 1) {
    const [name, { pieces, reply }] = all[turn % all.length] ?? ['', { pieces: [] }]
    const socket = connect(Number(new URL(target.origin).port), '127.0.0.1')
    try {
      await once(socket, 'connect')
      for (const piece of pieces) {
        socket.write(piece)
        await sleep(5)
      }
      if (reply && !reply.test(await text(socket))) throw new Error('another reply')
      tally.count(`client ${name}`)
    } catch (error) {
      tally.fail(`client ${name}: ${error}`)
    }
    socket.destroy()
    await sleep(20)
  }
}
