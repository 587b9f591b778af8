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

/** A bus with the emulator and the DynamoDB source, not started yet. */
function emulatorAndSource(overrides: Partial<EmbeddedDynamodbOptions> = {}) {
  const options = { ...defaults, ...overrides }
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

test('has a secret for every code name in the configured table and attributes', async () => {
  const { bus } = emulatorAndSource({
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

test('has no other secrets', async () => {
  const { bus } = emulatorAndSource()
  await bus.start()

  await expect(bus.request(fetchSecret, { codeName: 'themaster' })).rejects.toMatchObject({ name: 'SecretNotFound' })
})

test('requires neither credentials nor a region', async () => {
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_PROFILE', 'AWS_REGION']) vi.stubEnv(name, undefined)
  onTestFinished(() => {
    vi.unstubAllEnvs()
  })
  const { bus } = emulatorAndSource()
  await bus.start()

  await expect(bus.request(fetchSecret, { codeName: 'thedoctor' })).resolves.toMatchObject({ codeName: 'thedoctor' })
})

test('logs its URL and the names of its secrets', async () => {
  const { bus, messages } = emulatorAndSource({ codeNames: ['rose', 'martha'] })
  await bus.start()

  expect(messages('info')).toContainEqual(
    expect.stringMatching(/^Started embedded DynamoDB on http:\/\/127\.0\.0\.1:\d+ with secrets for rose, martha$/),
  )
})

test('fails to provide its location before it has started', async () => {
  const { bus } = emulatorAndSource()

  await expect(bus.publish(locateDynamodb)).rejects.toMatchObject({
    errors: [expect.objectContaining({ message: 'The embedded DynamoDB has not started' })],
  })
})

test('closes its port on stop and can start again', async () => {
  const { bus } = emulatorAndSource()
  await bus.start()
  const [location] = await bus.publish(locateDynamodb)

  await bus.stop()

  const socket = connect(Number(new URL(String(location?.endpoint)).port), '127.0.0.1')
  await expect(once(socket, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await expect(bus.publish(locateDynamodb)).rejects.toThrow('has not started')
  await bus.start()
  await expect(bus.request(fetchSecret, { codeName: 'thedoctor' })).resolves.toMatchObject({ codeName: 'thedoctor' })
})

test('stops despite an open connection', async () => {
  const { bus } = emulatorAndSource()
  await bus.start()
  const [location] = await bus.publish(locateDynamodb)
  const socket = connect(Number(new URL(String(location?.endpoint)).port), '127.0.0.1')
  onTestFinished(() => {
    socket.destroy()
  })
  await once(socket, 'connect')

  await expect(bus.stop()).resolves.toBeUndefined()
})

test('fails to start and closes its port if a secret cannot be stored', async () => {
  const listening = () => process.getActiveResourcesInfo().filter((resource) => resource === 'TCPServerWrap').length
  await expect.poll(listening).toBe(0)
  const { bus } = emulatorAndSource({ codeNames: [''] }) // DynamoDB rejects empty keys

  await expect(bus.start()).rejects.toMatchObject({ name: 'ValidationException' })

  await expect.poll(listening).toBe(0)
})

test('stops without having started', async () => {
  const { bus } = emulatorAndSource()

  await expect(bus.stop()).resolves.toBeUndefined()
})
