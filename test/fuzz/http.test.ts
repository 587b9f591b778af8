/** Whatever clients send, in whatever pieces, against what the documentation promises. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { credentials, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { ask, problemIn, type RawReply } from '../support/http/http.ts'
import { assembled } from '../support/service/assembled.ts'
import { exchange, repliesIn } from './exchange.ts'
import { bytesOf, malformed, names, type Request, soup, tokens, wellFormed, withoutHead } from './requests.ts'

/** It is in every secret, and in nothing else. */
const seal = 'sealed'
const secretOf = (codeName: string) => `${seal} ${Buffer.from(codeName).toString('hex')}`

/** A run that hangs is a failure of its own; on a slow machine there are fewer of them. */
const bounds = { timeout: 5_000, interruptAfterTimeLimit: 10_000 }

beforeEach(() => {
  for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
})

afterEach(() => {
  vi.unstubAllEnvs()
})

/** The service, with a DynamoDB that has a secret for each of the names. */
async function serving(asksForToken: boolean, codeNames = names) {
  const { endpoint, putSecret, close } = await startDynamodb()
  onTestFinished(close)
  for (const codeName of codeNames) await putSecret(codeName, secretOf(codeName))
  const { bus, origin, logged } = await assembled(
    { 'dynamodb-endpoint': endpoint, 'code-name': codeNames },
    asksForToken ? { SECRET_BUS_AUTH_TOKEN: tokens.join('\n') } : {},
  )
  await bus.start()
  await expect.poll(async () => (await ask(`${origin()}/ready`)).status).toBe(200)
  /** Fails unless it serves as before. What nobody caught would have been logged. */
  const expectUnharmed = async () => {
    expect(await ask(`${origin()}/health`)).toMatchObject({ status: 200 })
    expect(logged().filter(({ level }) => Number(level) > 40)).toEqual([])
  }
  return { port: Number(new URL(origin()).port), expectUnharmed }
}

interface Promised {
  readonly statuses: readonly number[]
  /** Whose secret the reply has, if it has one. */
  readonly codeName?: string
}

/** What the documentation promises for a request. */
function promised(request: Request, asksForToken: boolean): Promised {
  const { method, target, body = '', chunked } = request
  const [path = ''] = target.replace(/^https?:\/\/[^/]*\//i, '/').split('?')
  const segments = decoded(path)
  if (!segments) return { statuses: [400] }
  const [root, route = '', codeName = 'thedoctor'] = segments
  const reads = root === '' && (method === 'GET' || method === 'HEAD')
  const alone = reads && segments.length === 2
  if (reads && route === 'secret' && codeName.length > 2_048) return { statuses: [414] }
  if (valuesOf(request, 'host').length !== 1) return { statuses: [400] }
  const tooLong = body.length > 16_384
  if (tooLong && !chunked) return { statuses: [413] }
  if (alone && ['health', 'ready'].includes(route)) return { statuses: [200] }
  const [, token = ''] = /^bearer +(.*)$/i.exec(valuesOf(request, 'authorization')[0] ?? '') ?? []
  if (asksForToken && !tokens.includes(token)) return { statuses: [401] }
  if (alone && route === 'metrics') return { statuses: [200] }
  if (reads && route === 'secret' && segments.length < 4)
    return names.includes(codeName) ? { statuses: [200], codeName } : { statuses: [404] }
  if (asksForToken && method === 'POST' && path === '/-/reload') return { statuses: [tooLong ? 413 : 200, 415] }
  const mayBeFaulty = !['GET', 'HEAD', 'TRACE'].includes(method) && announcesBody(request)
  return { statuses: mayBeFaulty ? [400, 404, 413, 415] : [404] }
}

function announcesBody(request: Request): boolean {
  return request.body !== undefined || request.method === 'QUERY' || valuesOf(request, 'content-type').length > 0
}

/** Spaces and tabs around a value do not belong to it, but other white space does. */
function valuesOf({ headers }: Request, header: string): string[] {
  const values = headers.filter(([name]) => name.toLowerCase() === header).map(([, value]) => value)
  return values.map((value) => value.replaceAll(/^[ \t]+|[ \t]+$/g, ''))
}

function decoded(path: string): string[] | undefined {
  try {
    return path.split('/').map(decodeURIComponent)
  } catch {
    return undefined
  }
}

/** What the service makes for a request, or for what never became one. */
const made = /^([\da-f]{16}-[\da-f]+|[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12})$/

/** Fails unless the reply is what was promised, with the id of the request. */
function expectPromised(reply: RawReply | undefined, request: Request | undefined, asksForToken: boolean): void {
  if (!reply || !request) throw new Error('there are more replies than requests, or fewer')
  const { statuses, codeName } = promised(request, asksForToken)
  const [id = '', ...others] = valuesOf(request, 'x-request-id')
  if (others.length === 0 && /^[\w.~+/=@-]{1,128}$/.test(id)) expect(reply.headers['x-request-id']).toBe(id)
  else expect(reply.headers['x-request-id']).toMatch(made)
  expect(statuses).toContain(reply.status)
  if (request.method === 'HEAD') return
  if (reply.status !== 200) problemIn(reply)
  if (reply.status === 200 && codeName !== undefined)
    expect(JSON.parse(reply.body)).toEqual({ secret_code: secretOf(codeName) })
  else expect(reply.body).not.toContain(seal)
}

/** Fails unless the reply is a problem that closes the connection. */
function expectRefusal(reply: RawReply | undefined): void {
  expect(reply && problemIn(reply)).toBeDefined()
  expect([400, 431]).toContain(reply?.status)
  expect(reply?.headers['connection']).toBe('close')
}

const cuts = fc.array(fc.nat(), { maxLength: 8 })

describe.each([
  ['with tokens', true],
  ['without a token', false],
])('the service %s', (_, asksForToken) => {
  test('answers each request, in order, as it is documented', async () => {
    const { port, expectUnharmed } = await serving(asksForToken)
    const requests = fc.array(wellFormed, { minLength: 1, maxLength: 4 })
    const property = fc.asyncProperty(requests, cuts, async (requests, cuts) => {
      const last = requests.length - 1
      // What is sent with a request to upgrade is lost, so only the last one may be one.
      const bytes = requests.map((request, index) =>
        bytesOf(request, ...(index < last ? [] : ['Connection: close, upgrade'])),
      )

      const received = await exchange(port, bytes.join(''), cuts)

      const replies = repliesIn(
        received,
        requests.map(({ method }) => method),
      )
      const closing = replies.findIndex(({ headers }) => headers['connection'] === 'close')
      const answered = requests.slice(0, closing + 1)
      expect(replies).toHaveLength(answered.length)
      // Before the last request it closes only because it does not read the rest of a body.
      if (closing < last) expect(answered.at(-1)).toSatisfy(announcesBody)
      for (const [index, request] of answered.entries()) expectPromised(replies[index], request, asksForToken)
    })

    await fc.assert(property, { ...bounds, numRuns: 200 })

    await expectUnharmed()
  })

  test('refuses what is no request', async () => {
    const { port, expectUnharmed } = await serving(asksForToken)
    const requests = fc.array(withoutHead, { maxLength: 2 })
    const property = fc.asyncProperty(requests, malformed, cuts, async (requests, end, cuts) => {
      const bytes = [...requests.map((request) => bytesOf(request)), end]

      const replies = repliesIn(await exchange(port, bytes.join(''), cuts))

      // A request before it may be answered instead, and then nothing is: the connection is closed all the same.
      const refused = replies.at(-1)?.body.includes('could not be read as HTTP')
      if (requests.length === 0 || refused) expectRefusal(replies.pop())
      for (const [index, reply] of replies.entries()) expectPromised(reply, requests[index], asksForToken)
    })

    await fc.assert(property, { ...bounds, numRuns: 100 })

    await expectUnharmed()
  })

  test('replies to any bytes with nothing but documented replies, and without a token with no secret', async () => {
    const { port, expectUnharmed } = await serving(asksForToken)
    const property = fc.asyncProperty(soup, cuts, async (bytes, cuts) => {
      const received = await exchange(port, bytes, cuts, { ending: true })

      const statuses = repliesIn(received).map(({ status }) => status)
      expect([200, 400, 401, 404, 413, 414, 415, 431]).toEqual(expect.arrayContaining(statuses))
      if (asksForToken) expect(received).not.toContain(seal)
    })

    await fc.assert(property, { ...bounds, numRuns: 200 })

    await expectUnharmed()
  })
})

test('every code name that can be configured is served at its own path, and no other is', async () => {
  const letter = fc.oneof(
    fc.constantFrom(...'/\\%2F5.;?#:+& '),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  )
  const short = fc.string({ unit: letter, minLength: 1, maxLength: 8 })
  const long = fc.string({ unit: letter, minLength: 500, maxLength: 512, size: 'max' })
  const codeNames = fc.uniqueArray(fc.oneof({ weight: 9, arbitrary: short }, { weight: 1, arbitrary: long }), {
    minLength: 1,
    maxLength: 30,
    size: 'max',
  })
  const property = fc.asyncProperty(codeNames, async (codeNames) => {
    const { port, expectUnharmed } = await serving(false, codeNames)
    const asked = codeNames.flatMap((name) => [name, `${name}/`, encodeURIComponent(name).slice(0, 2_048)])
    const requests = asked.map((name) => `GET /secret/${encodeURIComponent(name)} HTTP/1.1\r\nHost: x`)

    const received = await exchange(port, `${requests.join('\r\n\r\n')}\r\nConnection: close\r\n\r\n`, [])

    const answers = repliesIn(received).map(({ status, body }) => [status, JSON.parse(body).secret_code])
    expect(answers).toEqual(asked.map((name) => (codeNames.includes(name) ? [200, secretOf(name)] : [404, undefined])))
    await expectUnharmed()
  })

  await fc.assert(property, { ...bounds, numRuns: 4 })
})
