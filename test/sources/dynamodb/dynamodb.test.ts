import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { RequestCall } from '../../../src/bus/bus.ts'
import { RequestTimeout } from '../../../src/bus/errors.ts'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { type DynamodbLocation, fetchSecret, locateDynamodb } from '../../../src/channels.ts'
import type { DynamodbOptions } from '../../../src/sources/dynamodb/dynamodb.ts'
import { type Dynamodb, startDynamodb, table } from '../../support/dynamodb/dynamodb.ts'
import { describeReading, read, source, startedSource, useCredentials } from '../../support/dynamodb/source.ts'
import {
  type FaultyServer,
  neverRespond,
  resetConnection,
  respondWith,
  respondWithError,
  stallResponse,
  startFaultyServer,
} from '../../support/http/faulty-server.ts'

useCredentials()

async function emulator(): Promise<Dynamodb> {
  const dynamodb = await startDynamodb()
  onTestFinished(dynamodb.close)
  return dynamodb
}

/** The error of a read from a server with this listener. */
async function failureOf(answer: FaultyServer['answer'], options: Partial<DynamodbOptions> = {}) {
  const { endpoint } = await startFaultyServer(answer)
  const bus = await startedSource({ dynamodbEndpoint: endpoint, ...options })
  return read(bus).then(
    ({ value }) => Promise.reject(new Error(`the read returned ${inspect(value.reveal())}`)),
    (error) => error,
  )
}

describeReading(startDynamodb)

describe('a read', () => {
  test('requests the value attribute only', async () => {
    const { endpoint, putSecret, reads } = await emulator()
    await putSecret('thedoctor', 'x')
    const bus = await startedSource({ dynamodbEndpoint: endpoint })

    await read(bus)

    expect(reads).toEqual([
      {
        TableName: table,
        Key: { code_name: { S: 'thedoctor' } },
        ProjectionExpression: '#value',
        ExpressionAttributeNames: { '#value': 'secret_code' },
        ConsistentRead: false,
      },
    ])
  })

  test('uses strongly consistent reads if configured', async () => {
    const { endpoint, putSecret, reads } = await emulator()
    await putSecret('thedoctor', 'x')
    const bus = await startedSource({ dynamodbEndpoint: endpoint, consistentRead: true })

    await read(bus)

    expect(reads).toMatchObject([{ ConsistentRead: true }])
  })

  test.each(['{}', ' { }\n'])('fails with SecretNotFound if the response is %j without a request id', async (body) => {
    expect(await failureOf(respondWith(body))).toMatchObject({ code: 'SECRET_NOT_FOUND' })
  })
})

describe('the lifecycle', () => {
  test('a read before the start fails with SOURCE_STARTING', async () => {
    const bus = source({ dynamodbEndpoint: 'http://127.0.0.1:9' })

    await expect(read(bus)).rejects.toMatchObject({ name: 'SourceFailure', code: 'SOURCE_STARTING' })
  })

  test('the start fails with exit code 64 without a region', async () => {
    vi.stubEnv('AWS_REGION', undefined)
    const bus = source({})

    await expect(bus.start()).rejects.toMatchObject({
      exitCode: 64,
      message: expect.stringMatching(/^No AWS region .*--region/),
    })
  })

  test('the region option takes precedence over the environment', async () => {
    const server = await startFaultyServer(respondWithError('ValidationException'))
    const bus = await startedSource({ dynamodbEndpoint: server.endpoint, region: 'sa-east-1' })

    await expect(read(bus)).rejects.toThrow()

    expect(server.requests[0]?.headers.authorization).toContain('/sa-east-1/dynamodb/')
  })

  test('a located DynamoDB takes precedence over the options, with its region and credentials', async () => {
    const server = await startFaultyServer(respondWith('{"Item":{"secret_code":{"S":"from elsewhere"}}}'))
    const location: DynamodbLocation = {
      endpoint: server.endpoint,
      region: 'elsewhere',
      credentials: { accessKeyId: 'another', secretAccessKey: 'x' },
    }
    const locator: Subscriber = (bus) => bus.subscribe(locateDynamodb, () => location)
    const bus = await startedSource({ dynamodbEndpoint: 'http://127.0.0.1:9', region: 'eu-west-1' }, { locator })

    const secret = await read(bus)

    expect(secret.value.reveal()).toBe('from elsewhere')
    expect(server.requests[0]?.headers.authorization).toMatch(/Credential=another\/\d+\/elsewhere\//)
  })

  test('the source closes its connections on stop and can start again', async () => {
    const server = await startFaultyServer(respondWith('{"Item":{"secret_code":{"S":"x"}}}'))
    const bus = await startedSource({ dynamodbEndpoint: server.endpoint })
    await read(bus)
    expect(await server.connections()).toBe(1)

    await bus.stop()

    await expect.poll(server.connections).toBe(0)
    await expect(read(bus)).rejects.toMatchObject({ code: 'SOURCE_STARTING' })
    await bus.start()
    await expect(read(bus)).resolves.toMatchObject({ codeName: 'thedoctor' })
  })

  test('a failure to load the client fails the read, and the next one loads it again', async () => {
    const server = await startFaultyServer(respondWith('{"Item":{"secret_code":{"S":"x"}}}'))
    const client = '../../../src/sources/dynamodb/table.ts'
    vi.doMock(client, () => Promise.reject(new Error('too many open files')))
    onTestFinished(() => {
      vi.doUnmock(client)
    })
    const bus = await startedSource({ dynamodbEndpoint: server.endpoint, region: 'eu-central-1' })

    await expect(read(bus)).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringMatching(/^Failed to load the DynamoDB client: /),
    })
    vi.doUnmock(client)

    await expect(read(bus)).resolves.toMatchObject({ codeName: 'thedoctor' })
  })

  test('a read in progress at the stop fails with SOURCE_UNAVAILABLE', async () => {
    const server = await startFaultyServer(neverRespond)
    const bus = await startedSource({ dynamodbEndpoint: server.endpoint })
    const outcome = read(bus).catch((error) => error)
    await expect.poll(() => server.requests.length).toBe(1)

    await bus.stop()

    expect(await outcome).toMatchObject({ name: 'SourceFailure', code: 'SOURCE_UNAVAILABLE' })
  })
})

describe('300 concurrent reads', () => {
  const codeNames = Array.from({ length: 300 }, (_, index) => `name-${index}`)

  test('use 50 connections at a time, and all succeed', async () => {
    const pending: (() => void)[] = []
    const item = respondWith('{"Item":{"secret_code":{"S":"x"}}}')
    const server = await startFaultyServer((request, response) => pending.push(() => item(request, response)))
    const bus = await startedSource({ dynamodbEndpoint: server.endpoint, requestTimeout: 60_000 })

    const secrets = Promise.all(
      codeNames.map((codeName) => bus.request(fetchSecret, { codeName }, { timeout: 60_000 })),
    )
    const concurrent: number[] = []
    while (server.requests.length < codeNames.length || pending.length > 0) {
      await expect.poll(() => pending.length).toBe(50)
      concurrent.push(await server.connections())
      for (const answer of pending.splice(0)) answer()
    }

    expect(concurrent).toEqual(Array(6).fill(50))
    expect((await secrets).map(({ codeName }) => codeName)).toEqual(codeNames)
  })

  test('that are aborted while they wait are not sent', async () => {
    const server = await startFaultyServer(neverRespond)
    const bus = await startedSource({ dynamodbEndpoint: server.endpoint, requestTimeout: 60_000 })
    const controller = new AbortController()
    const { signal } = controller
    const outcomes = Promise.allSettled(codeNames.map((codeName) => bus.request(fetchSecret, { codeName }, { signal })))
    await expect.poll(() => server.requests.length).toBe(50)

    controller.abort()

    expect((await outcomes).filter(({ status }) => status === 'rejected')).toHaveLength(300)
    await expect.poll(server.connections).toBe(0)
    server.answer = respondWith('{"Item":{"secret_code":{"S":"x"}}}')
    await expect(read(bus)).resolves.toMatchObject({ codeName: 'thedoctor' })
    expect(server.requests).toHaveLength(51)
  })
})

describe('time limits', () => {
  async function pendingRead(options: RequestCall) {
    const server = await startFaultyServer(neverRespond)
    const bus = await startedSource({ dynamodbEndpoint: server.endpoint, requestTimeout: 60_000 })
    const outcome = bus.request(fetchSecret, { codeName: 'thedoctor' }, options).catch((error) => error)
    await expect.poll(() => server.requests.length).toBe(1)
    return { server, outcome }
  }

  test('an abort rejects the read with its reason and closes the connection to DynamoDB', async () => {
    const controller = new AbortController()
    const { server, outcome } = await pendingRead({ signal: controller.signal })
    const reason = new Error('no longer wanted')

    controller.abort(reason)

    expect(await outcome).toBe(reason)
    await expect.poll(server.connections).toBe(0)
  })

  test('the timeout of the call closes the connection to DynamoDB', async () => {
    const { server, outcome } = await pendingRead({ timeout: 500 })

    expect(await outcome).toBeInstanceOf(RequestTimeout)
    await expect.poll(server.connections).toBe(0)
  })

  test('an attempt times out if it receives no headers', async () => {
    expect(await failureOf(neverRespond, { requestTimeout: 50 })).toMatchObject({ code: 'SOURCE_TIMEOUT' })
  })

  test('an attempt times out if the response stalls', async () => {
    expect(await failureOf(stallResponse, { requestTimeout: 50 })).toMatchObject({ code: 'SOURCE_TIMEOUT' })
  })
})

describe('failures', () => {
  test.each([
    ['ProvisionedThroughputExceededException', 400, 'SOURCE_THROTTLED'],
    ['RequestLimitExceeded', 400, 'SOURCE_THROTTLED'],
    ['ThrottlingException', 400, 'SOURCE_THROTTLED'],
    ['AccessDeniedException', 400, 'SOURCE_REFUSED'],
    ['ResourceNotFoundException', 400, 'SOURCE_REFUSED'],
    ['ValidationException', 400, 'SOURCE_REFUSED'],
    ['ExpiredTokenException', 400, 'SOURCE_UNAVAILABLE'],
    ['UnrecognizedClientException', 400, 'SOURCE_UNAVAILABLE'],
    ['InvalidSignatureException', 400, 'SOURCE_UNAVAILABLE'],
    ['InternalServerError', 500, 'SOURCE_UNAVAILABLE'],
    ['ServiceUnavailable', 503, 'SOURCE_UNAVAILABLE'],
  ])('%s with HTTP %i is reported as %s', async (name, status, code) => {
    const error = await failureOf(respondWithError(name, status))

    expect(error).toMatchObject({ name: 'SourceFailure', code, cause: expect.objectContaining({ name }) })
  })

  test('a connection reset is reported as SOURCE_UNAVAILABLE', async () => {
    expect(await failureOf(resetConnection)).toMatchObject({ name: 'SourceFailure', code: 'SOURCE_UNAVAILABLE' })
  })

  test('a connection closed in the middle of the response is reported as SOURCE_UNAVAILABLE', async () => {
    const answer: FaultyServer['answer'] = (request, response) => {
      stallResponse(request, response)
      setImmediate(() => request.socket.destroy())
    }

    expect(await failureOf(answer)).toMatchObject({ name: 'SourceFailure', code: 'SOURCE_UNAVAILABLE' })
  })

  test('a refused connection is reported as SOURCE_UNAVAILABLE', async () => {
    const server = await startFaultyServer(neverRespond)
    await server.close()
    const bus = await startedSource({ dynamodbEndpoint: server.endpoint })

    await expect(read(bus)).rejects.toMatchObject({ name: 'SourceFailure', code: 'SOURCE_UNAVAILABLE' })
  })

  test('missing credentials are reported as SOURCE_UNAVAILABLE', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    const { endpoint } = await emulator()
    const bus = await startedSource({ dynamodbEndpoint: endpoint })

    await expect(read(bus)).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      cause: expect.objectContaining({ name: 'CredentialsProviderError' }),
    })
  })

  test.each([
    ['not JSON, with HTTP 200', 200, '<b>classified</b>', 'SOURCE_UNAVAILABLE'],
    ['not JSON, with HTTP 400', 400, '<b>classified</b>', 'SOURCE_UNAVAILABLE'],
    ['not JSON, with HTTP 502', 502, '<b>classified</b>', 'SOURCE_UNAVAILABLE'],
    ['truncated JSON', 200, '{"Item":{"secret_code":{"S":"classified', 'SOURCE_UNAVAILABLE'],
    ['JSON but not an object', 200, '"classified"', 'SOURCE_UNAVAILABLE'],
    ['null', 200, 'null', 'SOURCE_UNAVAILABLE'],
    ['an empty list', 200, '[]', 'SOURCE_UNAVAILABLE'],
    ['an object of another kind', 200, '{"error":"classified"}', 'SOURCE_UNAVAILABLE'],
    ['blank', 200, ' ', 'SOURCE_UNAVAILABLE'],
    ['empty', 200, '', 'SOURCE_UNAVAILABLE'],
    ['an invalid item', 200, '{"Item":"classified"}', 'SOURCE_REFUSED'],
    ['an invalid string', 200, '{"Item":{"secret_code":{"S":{"classified":true}}}}', 'SOURCE_REFUSED'],
    ['a null string', 200, '{"Item":{"secret_code":{"S":null}}}', 'SOURCE_REFUSED'],
  ])('a response that is %s is reported without quoting it', async (_, status, body, code) => {
    const error = await failureOf(respondWith(body, status))

    expect(error).toMatchObject({ name: 'SourceFailure', code })
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('classified')
  })

  test('a read makes the configured number of attempts', async () => {
    const server = await startFaultyServer(respondWithError('InternalServerError', 500))
    const bus = await startedSource({ dynamodbEndpoint: server.endpoint, maxAttempts: 3 })

    await expect(read(bus)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })

    expect(server.requests).toHaveLength(3)
  })

  test('a read succeeds if a later attempt does', async () => {
    const server = await startFaultyServer((request, response) => {
      server.answer = respondWith('{"Item":{"secret_code":{"S":"at last"}}}')
      respondWithError('ThrottlingException')(request, response)
    })
    const bus = await startedSource({ dynamodbEndpoint: server.endpoint, maxAttempts: 2 })

    const secret = await read(bus)

    expect(secret.value.reveal()).toBe('at last')
  })

  test('a permanent error is not retried', async () => {
    const server = await startFaultyServer(respondWithError('AccessDeniedException'))
    const bus = await startedSource({ dynamodbEndpoint: server.endpoint, maxAttempts: 3 })

    await expect(read(bus)).rejects.toMatchObject({ code: 'SOURCE_REFUSED' })

    expect(server.requests).toHaveLength(1)
  })
})
