/** The DynamoDB source on a bus of its own, and the tests of its reads, for any emulator. */
import { inspect } from 'node:util'
import { CreateTableCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { ProcessBus, Subscriber } from '../../../src/bus/process/process-bus.ts'
import { fetchSecret } from '../../../src/channels.ts'
import type { StoredSecret } from '../../../src/secret.ts'
import { type DynamodbOptions, dynamodb } from '../../../src/sources/dynamodb/dynamodb.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { credentials, type Emulator, table } from './dynamodb.ts'

const defaults: DynamodbOptions = {
  table,
  keyAttribute: 'code_name',
  valueAttribute: 'secret_code',
  consistentRead: false,
  connectTimeout: 1_000,
  requestTimeout: 5_000,
  maxAttempts: 1,
}

/** Sets the environment for the SDK during each test of the file. */
export function useCredentials(): void {
  beforeEach(() => {
    for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
  })

  afterEach(() => {
    vi.unstubAllEnvs()
  })
}

/** The source, not started yet. */
export function source(options: Partial<DynamodbOptions>, before: Record<string, Subscriber> = {}): ProcessBus {
  const { bus } = recordedBus({ ...before, dynamodb: dynamodb({ ...defaults, ...options }) })
  onTestFinished(async () => {
    await bus.exit()
  })
  return bus
}

export async function startedSource(options: Partial<DynamodbOptions>, before: Record<string, Subscriber> = {}) {
  const bus = source(options, before)
  await bus.start()
  return bus
}

export const read = (bus: ProcessBus, codeName = 'thedoctor'): Promise<StoredSecret> =>
  bus.request(fetchSecret, { codeName })

/**
 * Registers the tests of reading.
 * @param start starts or resets an emulator, with an empty table unless `withTable` is false
 */
export function describeReading(start: (options?: { readonly withTable?: boolean }) => Promise<Emulator>): void {
  const started = async (options?: { readonly withTable?: boolean }) => {
    const emulator = await start(options)
    onTestFinished(emulator.close)
    return emulator
  }

  describe('reading', () => {
    test('returns the string attribute of the item with the code name', async () => {
      const { endpoint, putSecret } = await started()
      await putSecret('thedoctor', 'run "for" your life \n ünïcödé')
      await putSecret('river', 'spoilers')
      const bus = await startedSource({ dynamodbEndpoint: endpoint })

      const secret = await read(bus)

      expect(secret.codeName).toBe('thedoctor')
      expect(secret.value.reveal()).toBe('run "for" your life \n ünïcödé')
      expect(inspect(secret, { depth: 10, showHidden: true })).not.toContain('life')
    })

    test('uses the configured table and attributes, even if a name is a reserved word or has a dot', async () => {
      const { endpoint } = await started({ withTable: false })
      const client = new DynamoDBClient({ endpoint })
      onTestFinished(() => client.destroy())
      await client.send(
        new CreateTableCommand({
          TableName: 'other-table',
          AttributeDefinitions: [{ AttributeName: 'name', AttributeType: 'S' }],
          KeySchema: [{ AttributeName: 'name', KeyType: 'HASH' }],
          BillingMode: 'PAY_PER_REQUEST',
        }),
      )
      const Item = { name: { S: 'rose' }, 'the.value': { S: 'bad wolf' }, secret_code: { S: 'not this' } }
      await client.send(new PutItemCommand({ TableName: 'other-table', Item }))
      const bus = await startedSource({
        dynamodbEndpoint: endpoint,
        table: 'other-table',
        keyAttribute: 'name',
        valueAttribute: 'the.value',
      })

      const secret = await read(bus, 'rose')

      expect(secret.value.reveal()).toBe('bad wolf')
    })

    test('fails with SecretNotFound if the item does not exist', async () => {
      const { endpoint, putSecret } = await started()
      await putSecret('thedoctor', 'x')
      const bus = await startedSource({ dynamodbEndpoint: endpoint })

      await expect(read(bus, 'themaster')).rejects.toMatchObject({ name: 'SecretNotFound', code: 'SECRET_NOT_FOUND' })
    })

    test.each([
      ['no value attribute', {}],
      ['a number', { secret_code: { N: '42' } }],
      ['a set', { secret_code: { SS: ['a', 'b'] } }],
      ['a map', { secret_code: { M: { S: { S: 'x' } } } }],
      ['a null', { secret_code: { NULL: true as const } }],
      ['bytes', { secret_code: { B: Buffer.from('x') } }],
    ])('fails with SOURCE_REFUSED if the item has %s', async (_, attributes) => {
      const { endpoint, put } = await started()
      await put({ code_name: { S: 'thedoctor' }, ...attributes })
      const bus = await startedSource({ dynamodbEndpoint: endpoint })

      await expect(read(bus)).rejects.toMatchObject({ name: 'SourceFailure', code: 'SOURCE_REFUSED' })
    })

    test('fails with SOURCE_REFUSED if the table does not exist', async () => {
      const { endpoint } = await started({ withTable: false })
      const bus = await startedSource({ dynamodbEndpoint: endpoint })

      await expect(read(bus)).rejects.toMatchObject({
        code: 'SOURCE_REFUSED',
        cause: expect.objectContaining({ name: 'ResourceNotFoundException' }),
      })
    })
  })
}
