/** Checks the responses to generated requests, split at random positions, against the documented behavior. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { credentials, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { fetchReply, parseProblem, type RawReply } from '../support/http/http.ts'
import { assembleService } from '../support/service/assemble-service.ts'
import { exchange, repliesIn } from './exchange.ts'
import { bytesOf, malformed, names, type Request, soup, tokens, wellFormed, withoutHead } from './requests.ts'

/** A marker that only secrets contain. */
const marker = 'sealed'
const secretOf = (codeName: string) => `${marker} ${Buffer.from(codeName).toString('hex')}`

/** A run that hangs fails. A slow machine makes fewer runs. */
const bounds = { timeout: 5_000, interruptAfterTimeLimit: 10_000 }

beforeEach(() => {
  for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
})

afterEach(() => {
  vi.unstubAllEnvs()
})

/** Starts the service with a DynamoDB that has a secret for each code name. */
async function startService(requiresToken: boolean, codeNames = names) {
  const { endpoint, putSecret, close } = await startDynamodb()
  onTestFinished(close)
  for (const codeName of codeNames) await putSecret(codeName, secretOf(codeName))
  const { bus, origin, logged } = await assembleService(
    { 'dynamodb-endpoint': endpoint, 'code-name': codeNames },
    requiresToken ? { SECRET_BUS_AUTH_TOKEN: tokens.join('\n') } : {},
  )
  await bus.start()
  await expect.poll(async () => (await fetchReply(`${origin()}/ready`)).status).toBe(200)
  /** Fails unless the service still responds and has logged no error, such as an uncaught exception. */
  const expectUnharmed = async () => {
    expect(await fetchReply(`${origin()}/health`)).toMatchObject({ status: 200 })
    expect(logged().filter(({ level }) => Number(level) > 40)).toEqual([])
  }
  return { port: Number(new URL(origin()).port), expectUnharmed }
}

interface Expected {
  readonly statuses: readonly number[]
  /** The code name of the secret in the response, if it has one. */
  readonly codeName?: string
}

/** The documented response to a request. */
function expected(request: Request, requiresToken: boolean): Expected {
  const { method, target, body = '', chunked } = request
  const [path = ''] = target.replace(/^https?:\/\/[^/]*\//i, '/').split('?')
  const segments = decoded(path)
  if (!segments) return { statuses: [400] }
  const [root, route = '', codeName = 'thedoctor'] = segments
  const reads = root === '' && (method === 'GET' || method === 'HEAD')
  const isTopLevel = root === '' && segments.length === 2
  if (reads && route === 'secret' && codeName.length > 2_048) return { statuses: [414] }
  if (valuesOf(request, 'host').length !== 1) return { statuses: [400] }
  const isSecret = root === '' && route === 'secret' && segments.length < 4 && codeName.length <= 2_048
  const isRead = (isTopLevel && ['health', 'ready', 'metrics'].includes(route)) || isSecret
  const isReload = requiresToken && path === '/-/reload'
  const tooLong = body.length > 16_384
  if (tooLong && !chunked && ((isRead && reads) || (isReload && method === 'POST'))) return { statuses: [413] }
  if (reads && isTopLevel && ['health', 'ready'].includes(route)) return { statuses: [200] }
  const [, token = ''] = /^bearer +(.*)$/i.exec(valuesOf(request, 'authorization')[0] ?? '') ?? []
  if (requiresToken && !tokens.includes(token)) return { statuses: [401] }
  if (isTopLevel && reads && route === 'metrics') return { statuses: [200] }
  if (reads && isSecret) return names.includes(codeName) ? { statuses: [200], codeName } : { statuses: [404] }
  if (isReload && method === 'POST') return { statuses: [tooLong ? 413 : 200, 415] }
  if (method === 'OPTIONS' && (target === '*' || isRead || isReload)) return { statuses: [204] }
  return { statuses: [isRead || isReload ? 405 : 404] }
}

function announcesBody(request: Request): boolean {
  return request.body !== undefined || request.method === 'QUERY' || valuesOf(request, 'content-type').length > 0
}

/** Spaces and tabs around a value are not part of it, but other white space is. */
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

/** The id that the service generates for a request, or for data that is not a request. */
const generatedId = /^([\da-f]{16}-[\da-f]+|[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12})$/

/** Fails unless the response is the documented one, with the id of the request. */
function expectDocumented(reply: RawReply | undefined, request: Request | undefined, requiresToken: boolean): void {
  if (!reply || !request) throw new Error('The numbers of requests and responses differ')
  const { statuses, codeName } = expected(request, requiresToken)
  const [id = '', ...others] = valuesOf(request, 'x-request-id')
  if (others.length === 0 && /^[\w.~+/=@:-]{1,128}$/.test(id)) expect(reply.headers['x-request-id']).toBe(id)
  else expect(reply.headers['x-request-id']).toMatch(generatedId)
  expect(statuses).toContain(reply.status)
  if (request.method === 'HEAD') return
  if (reply.status === 204) expect(reply.headers).toHaveProperty('allow')
  else if (reply.status !== 200) parseProblem(reply)
  if (reply.status === 200 && codeName !== undefined)
    expect(JSON.parse(reply.body)).toEqual({ secret_code: secretOf(codeName) })
  else expect(reply.body).not.toContain(marker)
}

/** Fails unless the response has problem details and closes the connection. */
function expectRefusal(reply: RawReply | undefined): void {
  expect(reply && parseProblem(reply)).toBeDefined()
  expect([400, 431]).toContain(reply?.status)
  expect(reply?.headers['connection']).toBe('close')
}

const cuts = fc.array(fc.nat(), { maxLength: 8 })

describe.each([
  ['with tokens', true],
  ['without tokens', false],
])('the service %s', (_, requiresToken) => {
  test('responds to each request in order and as documented', async () => {
    const { port, expectUnharmed } = await startService(requiresToken)
    const requests = fc.array(wellFormed, { minLength: 1, maxLength: 4 })
    const property = fc.asyncProperty(requests, cuts, async (requests, cuts) => {
      const last = requests.length - 1
      // Data that follows an upgrade request is lost, so only the last request may be one.
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
      // The service closes the connection early only to avoid reading the rest of a body.
      if (closing < last) expect(answered.at(-1)).toSatisfy(announcesBody)
      for (const [index, request] of answered.entries()) expectDocumented(replies[index], request, requiresToken)
    })

    await fc.assert(property, { ...bounds, numRuns: 200 })

    await expectUnharmed()
  })

  test('rejects malformed requests', async () => {
    const { port, expectUnharmed } = await startService(requiresToken)
    const requests = fc.array(withoutHead, { maxLength: 2 })
    const property = fc.asyncProperty(requests, malformed, cuts, async (requests, end, cuts) => {
      const bytes = [...requests.map((request) => bytesOf(request)), end]

      const replies = repliesIn(await exchange(port, bytes.join(''), cuts))

      // If an earlier request is pending, its response is the last one, and the malformed one gets none.
      const refused = replies.at(-1)?.body.includes('is not valid HTTP')
      if (requests.length === 0 || refused) expectRefusal(replies.pop())
      for (const [index, reply] of replies.entries()) expectDocumented(reply, requests[index], requiresToken)
    })

    await fc.assert(property, { ...bounds, numRuns: 100 })

    await expectUnharmed()
  })

  test('sends only documented responses to arbitrary bytes, and no secret without a token', async () => {
    const { port, expectUnharmed } = await startService(requiresToken)
    const property = fc.asyncProperty(soup, cuts, async (bytes, cuts) => {
      const received = await exchange(port, bytes, cuts, { ending: true })

      const statuses = repliesIn(received).map(({ status }) => status)
      expect([200, 204, 400, 401, 404, 405, 413, 414, 415, 431]).toEqual(expect.arrayContaining(statuses))
      if (requiresToken) expect(received).not.toContain(marker)
    })

    await fc.assert(property, { ...bounds, numRuns: 200 })

    await expectUnharmed()
  })
})

test('serves every valid code name at its own path, and no other', async () => {
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
    const { port, expectUnharmed } = await startService(false, codeNames)
    const requested = codeNames.flatMap((name) => [name, `${name}/`, encodeURIComponent(name).slice(0, 2_048)])
    const requests = requested.map((name) => `GET /secret/${encodeURIComponent(name)} HTTP/1.1\r\nHost: x`)

    const received = await exchange(port, `${requests.join('\r\n\r\n')}\r\nConnection: close\r\n\r\n`, [])

    const answers = repliesIn(received).map(({ status, body }) => [status, JSON.parse(body).secret_code])
    expect(answers).toEqual(
      requested.map((name) => (codeNames.includes(name) ? [200, secretOf(name)] : [404, undefined])),
    )
    await expectUnharmed()
  })

  await fc.assert(property, { ...bounds, numRuns: 4 })
})
