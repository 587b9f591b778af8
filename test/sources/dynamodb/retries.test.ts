import type { RequestListener } from 'node:http'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { fetchSecret } from '../../../src/channels.ts'
import { dynamodb } from '../../../src/sources/dynamodb/dynamodb.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { credentials, table } from '../../support/dynamodb/dynamodb.ts'
import { failing, resetting, saying, startFaultyServer } from '../../support/http/faulty-server.ts'
import { ask } from '../../support/http/http.ts'
import { assembled } from '../../support/service/assembled.ts'

const failed = (message: string) => failing('InternalServerError', 500, message)
const item = saying('{"Item":{"secret_code":{"S":"run"}}}')

/** Begins a reply, and resets the connection. */
const breakingOff: RequestListener = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0', 'content-length': 1_000 })
  response.write('{"Item":{"secret_code":{"S":"classified', () => response.socket?.resetAndDestroy())
}

beforeEach(() => {
  for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
  vi.spyOn(Math, 'random').mockReturnValue(0) // the SDK tries again at once
})

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

/** A server that answers like this, one answer a request. */
async function answering(...answers: RequestListener[]) {
  return startFaultyServer((request, response) => answers.shift()?.(request, response))
}

/** The source before a server that answers like this. */
async function source(...answers: RequestListener[]) {
  const server = await answering(...answers)
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
  const told = () => records.filter(({ message }) => message.includes('tried again'))
  return { ...recorded, server, read, told }
}

describe('a try that fails', () => {
  test.each<[string, RequestListener, string]>([
    ['is throttled', failing('ThrottlingException'), 'ThrottlingException: so it is'],
    ['meets a failure of DynamoDB', failed('so it is'), 'InternalServerError: so it is'],
    ['has its connection reset', resetting, 'ECONNRESET|other side closed'],
  ])('since it %s is warned of once, when it is tried again', async (_, answer, reason) => {
    const { read, told, server } = await source(answer, item)

    await read()

    expect(told()).toEqual([
      {
        level: 'warn',
        message: expect.stringMatching(new RegExp(`^Secret thedoctor is tried again: .*(${reason})`)),
        fields: { codeName: 'thedoctor', reqId: 'request-1' },
      },
    ])
    expect(server.requests).toHaveLength(2)
  })

  test('after another is told at debug only', async () => {
    const { read, told } = await source(failed('first'), failed('second'), item)

    await read()

    expect(told().map(({ level, message }) => `${level}: ${message}`)).toEqual([
      expect.stringMatching(/^warn: .*first$/),
      expect.stringMatching(/^debug: .*second$/),
    ])
  })

  test('as the last one is left to whoever asked', async () => {
    const { read, told, server } = await source(failed('first'), failed('second'), failed('third'))

    await expect(read()).rejects.toMatchObject({ message: expect.stringContaining('third') })

    expect(told().map(({ level }) => level)).toEqual(['warn', 'debug'])
    expect(server.requests).toHaveLength(3)
  })

  test('is warned of in each fetch anew', async () => {
    const { read, told } = await source(failed('x'), item, failed('x'), item)

    await read('rose')
    await read('martha')

    expect(told().map(({ level, fields }) => ({ level, ...fields }))).toEqual([
      { level: 'warn', codeName: 'rose', reqId: 'request-1' },
      { level: 'warn', codeName: 'martha', reqId: 'request-1' },
    ])
  })

  test('when the process has stopped meanwhile is told to nobody', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.999) // the SDK waits for as long as it may
    const { bus, read, told, server } = await source(failing('ThrottlingException'), item)
    const outcome = read().catch((error) => error)
    await expect.poll(() => server.requests.length).toBe(1)
    await expect.poll(() => server.requests[0]?.complete).toBe(true)

    await bus.stop()

    await outcome
    expect(told()).toEqual([])
  })

  test.each<[string, RequestListener]>([
    ['breaks off', breakingOff],
    ['is no JSON', saying('<b>classified</b>', 500)],
    ['is JSON that ends too soon', saying('{"Item":{"secret_code":{"S":"classified', 503)],
  ])('since the reply %s is told without what it said', async (_, answer) => {
    const { read, told, records } = await source(answer, item)

    await read()

    expect(told().map(({ level }) => level)).toEqual(['warn'])
    expect(inspect(records, { depth: 10, showHidden: true })).not.toMatch(/classified|run/)
  })
})

test('a try that succeeds is told to nobody', async () => {
  const { read, told } = await source(item)

  await read()

  expect(told()).toEqual([])
})

test('what is not tried again is told to nobody here', async () => {
  const { read, told } = await source(failing('AccessDeniedException'))

  await expect(read()).rejects.toMatchObject({ code: 'SOURCE_REFUSED' })

  expect(told()).toEqual([])
})

test('in the service, the warning has the id of the request that is waiting', async () => {
  const { endpoint } = await answering(item, failed('x'), item)
  const { bus, origin, logged } = await assembled({ 'dynamodb-endpoint': endpoint, 'cache-ttl': '0' })
  await bus.start()
  await expect.poll(async () => (await ask(`${origin()}/ready`)).status).toBe(200)

  const { status } = await ask(`${origin()}/secret`, { headers: { 'x-request-id': 'request-2' } })

  expect(status).toBe(200)
  expect(logged().filter(({ level }) => Number(level) >= 40)).toMatchObject([
    { level: 40, msg: expect.stringMatching(/^Secret thedoctor is tried again/), reqId: 'request-2' },
  ])
})
