import type { RequestListener } from 'node:http'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { fetchSecret } from '../../../src/channels.ts'
import { dynamodb } from '../../../src/sources/dynamodb/dynamodb.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { credentials, table } from '../../support/dynamodb/dynamodb.ts'
import { resetConnection, respondWith, respondWithError, startFaultyServer } from '../../support/http/faulty-server.ts'
import { fetchReply } from '../../support/http/http.ts'
import { assembleService } from '../../support/service/assemble-service.ts'

const failed = (message: string) => respondWithError('InternalServerError', 500, message)
const item = respondWith('{"Item":{"secret_code":{"S":"run"}}}')

/** Begins a response, then resets the connection. */
const truncateResponse: RequestListener = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0', 'content-length': 1_000 })
  response.write('{"Item":{"secret_code":{"S":"classified', () => response.socket?.resetAndDestroy())
}

beforeEach(() => {
  for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
  vi.spyOn(Math, 'random').mockReturnValue(0) // the SDK retries without delay
})

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

/** A server that uses one of these listeners per request. */
async function serverWith(...answers: RequestListener[]) {
  return startFaultyServer((request, response) => answers.shift()?.(request, response))
}

/** The source with a server that uses one of these listeners per request. */
async function source(...answers: RequestListener[]) {
  const server = await serverWith(...answers)
  const recorded = recordedBus({
    dynamodb: dynamodb({
      table,
      keyAttribute: 'code_name',
      valueAttribute: 'secret_code',
      consistentRead: false,
      dynamodbEndpoint: server.endpoint,
      connectTimeout: 1_000,
      requestTimeout: 5_000,
      maxAttempts: 3,
    }),
  })
  const { bus, records } = recorded
  onTestFinished(async () => {
    await bus.exit()
  })
  await bus.start()
  const read = (codeName = 'thedoctor') => bus.request(fetchSecret, { codeName }, { id: 'request-1' })
  const retries = () => records.filter(({ message }) => message.startsWith('Retrying'))
  return { ...recorded, server, read, retries }
}

describe('a failed attempt', () => {
  test.each<[string, RequestListener, string]>([
    ['throttling', respondWithError('ThrottlingException'), 'ThrottlingException: simulated failure'],
    ['an internal error of DynamoDB', failed('oops'), 'InternalServerError: oops'],
    ['a connection reset', resetConnection, 'ECONNRESET|other side closed'],
  ])('due to %s is logged as a warning before the retry', async (_, answer, reason) => {
    const { read, retries, server } = await source(answer, item)

    await read()

    expect(retries()).toEqual([
      {
        level: 'warn',
        message: expect.stringMatching(new RegExp(`^Retrying secret thedoctor: .*(${reason})`)),
        fields: { codeName: 'thedoctor', reqId: 'request-1' },
      },
    ])
    expect(server.requests).toHaveLength(2)
  })

  test('is logged at debug if another attempt failed before it', async () => {
    const { read, retries } = await source(failed('first'), failed('second'), item)

    await read()

    expect(retries().map(({ level, message }) => `${level}: ${message}`)).toEqual([
      expect.stringMatching(/^warn: .*first$/),
      expect.stringMatching(/^debug: .*second$/),
    ])
  })

  test('is not logged if it is the last attempt', async () => {
    const { read, retries, server } = await source(failed('first'), failed('second'), failed('third'))

    await expect(read()).rejects.toMatchObject({ message: expect.stringContaining('third') })

    expect(retries().map(({ level }) => level)).toEqual(['warn', 'debug'])
    expect(server.requests).toHaveLength(3)
  })

  test('is logged as a warning in every read', async () => {
    const { read, retries } = await source(failed('x'), item, failed('x'), item)

    await read('rose')
    await read('martha')

    expect(retries().map(({ level, fields }) => ({ level, ...fields }))).toEqual([
      { level: 'warn', codeName: 'rose', reqId: 'request-1' },
      { level: 'warn', codeName: 'martha', reqId: 'request-1' },
    ])
  })

  test('is not logged after the stop', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.999) // the SDK waits for the longest delay
    const { bus, read, retries, server } = await source(respondWithError('ThrottlingException'), item)
    const outcome = read().catch((error) => error)
    await expect.poll(() => server.requests.length).toBe(1)
    await expect.poll(() => server.requests[0]?.complete).toBe(true)

    await bus.stop()

    await outcome
    expect(retries()).toEqual([])
  })

  test.each<[string, RequestListener]>([
    ['that ends early', truncateResponse],
    ['that is not JSON', respondWith('<b>classified</b>', 500)],
    ['with truncated JSON', respondWith('{"Item":{"secret_code":{"S":"classified', 503)],
  ])('due to a response %s is logged without quoting it', async (_, answer) => {
    const { read, retries, records } = await source(answer, item)

    await read()

    expect(retries().map(({ level }) => level)).toEqual(['warn'])
    expect(inspect(records, { depth: 10, showHidden: true })).not.toMatch(/classified|run/)
  })
})

test('a successful attempt is not logged', async () => {
  const { read, retries } = await source(item)

  await read()

  expect(retries()).toEqual([])
})

test('a failure without a retry is not logged', async () => {
  const { read, retries } = await source(respondWithError('AccessDeniedException'))

  await expect(read()).rejects.toMatchObject({ code: 'SOURCE_REFUSED' })

  expect(retries()).toEqual([])
})

test('the warning has the id of the waiting HTTP request', async () => {
  const { endpoint } = await serverWith(item, failed('x'), item)
  const { bus, origin, logged } = await assembleService({ 'dynamodb-endpoint': endpoint, 'cache-ttl': '0' })
  await bus.start()
  await expect.poll(async () => (await fetchReply(`${origin()}/ready`)).status).toBe(200)

  const { status } = await fetchReply(`${origin()}/secret`, { headers: { 'x-request-id': 'request-2' } })

  expect(status).toBe(200)
  expect(logged().filter(({ msg }) => String(msg).startsWith('Retrying'))).toMatchObject([
    { level: 40, msg: expect.stringMatching(/^Retrying secret thedoctor: /), reqId: 'request-2' },
  ])
})
