import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { fetchSecret, locateDynamodb } from '../../../src/channels.ts'
import { dynamodb } from '../../../src/sources/dynamodb/dynamodb.ts'
import { type EmbeddedDynamodbOptions, embeddedDynamodb } from '../../../src/sources/dynamodb/embedded-dynamodb.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'

const defaults: EmbeddedDynamodbOptions = {
  table: 'devops-challenge',
  keyAttribute: 'code_name',
  valueAttribute: 'secret_code',
  codeNames: ['thedoctor'],
}

/** The emulator, and the real source that asks it. */
function laptop(given: Partial<EmbeddedDynamodbOptions> = {}) {
  const options = { ...defaults, ...given }
  const recorded = recordedBus({
    'embedded-dynamodb': embeddedDynamodb(options),
    dynamodb: dynamodb({
      ...options,
      consistentRead: false,
      connectTimeout: 1_000,
      requestTimeout: 1_000,
      maxAttempts: 1,
    }),
  })
  onTestFinished(async () => {
    await recorded.bus.exit()
  })
  return recorded
}

test('it holds a secret for every code name, in the table and attributes of the options', async () => {
  const { bus } = laptop({
    table: 'other-table',
    keyAttribute: 'name',
    valueAttribute: 'the.value',
    codeNames: ['rose', 'martha/jones', 'ünïcödé'],
  })
  await bus.start()

  const secrets = await Promise.all(
    ['rose', 'martha/jones', 'ünïcödé'].map((codeName) => bus.request(fetchSecret, { codeName })),
  )

  expect(secrets.map(({ value }) => value.reveal())).toEqual([
    'the secret of rose',
    'the secret of martha/jones',
    'the secret of ünïcödé',
  ])
})

test('it holds no other secrets', async () => {
  const { bus } = laptop()
  await bus.start()

  await expect(bus.request(fetchSecret, { codeName: 'themaster' })).rejects.toMatchObject({ name: 'SecretNotFound' })
})

test('it needs neither credentials nor a region from outside', async () => {
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_PROFILE', 'AWS_REGION']) vi.stubEnv(name, undefined)
  onTestFinished(() => {
    vi.unstubAllEnvs()
  })
  const { bus } = laptop()
  await bus.start()

  await expect(bus.request(fetchSecret, { codeName: 'thedoctor' })).resolves.toMatchObject({ codeName: 'thedoctor' })
})

test('it says where it is and whose secrets it holds', async () => {
  const { bus, messages } = laptop({ codeNames: ['rose', 'martha'] })
  await bus.start()

  expect(messages('info')).toContainEqual(
    expect.stringMatching(/^Embedded DynamoDB on http:\/\/127\.0\.0\.1:\d+, with a secret for rose, martha$/),
  )
})

test('nobody can locate it before it has started', async () => {
  const { bus } = laptop()

  await expect(bus.publish(locateDynamodb)).rejects.toMatchObject({
    errors: [expect.objectContaining({ message: 'the embedded DynamoDB has not started' })],
  })
})

test('the stop closes its port, and it can start again', async () => {
  const { bus } = laptop()
  await bus.start()
  const [location] = await bus.publish(locateDynamodb)

  await bus.stop()

  const socket = connect(Number(new URL(String(location?.endpoint)).port), '127.0.0.1')
  await expect(once(socket, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await expect(bus.publish(locateDynamodb)).rejects.toThrow('has not started')
  await bus.start()
  await expect(bus.request(fetchSecret, { codeName: 'thedoctor' })).resolves.toMatchObject({ codeName: 'thedoctor' })
})

test('a connection that somebody holds open does not hold the stop up', async () => {
  const { bus } = laptop()
  await bus.start()
  const [location] = await bus.publish(locateDynamodb)
  const socket = connect(Number(new URL(String(location?.endpoint)).port), '127.0.0.1')
  onTestFinished(() => {
    socket.destroy()
  })
  await once(socket, 'connect')

  await expect(bus.stop()).resolves.toBeUndefined()
})

test('a start that cannot put the secrets fails, and leaves no port open', async () => {
  const listening = () => process.getActiveResourcesInfo().filter((resource) => resource === 'TCPServerWrap').length
  await expect.poll(listening).toBe(0)
  const { bus } = laptop({ codeNames: [''] }) // no key of DynamoDB is empty

  await expect(bus.start()).rejects.toMatchObject({ name: 'ValidationException' })

  await expect.poll(listening).toBe(0)
})

test('a stop without a start is silent', async () => {
  const { bus } = laptop()

  await expect(bus.stop()).resolves.toBeUndefined()
})
