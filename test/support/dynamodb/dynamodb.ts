/** A DynamoDB to test with: an emulator on a port of its own, asked over HTTP like the real one. */
import {
  type AttributeValue,
  CreateTableCommand,
  DeleteItemCommand,
  DynamoDBClient,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb'
import dynalite from 'dynalite'
import { listening } from '../http/listening.ts'

export interface Dynamodb {
  readonly endpoint: string
  /** The bodies of the GetItem calls that came, parsed. */
  readonly reads: Record<string, unknown>[]
  put(item: Record<string, AttributeValue>): Promise<void>
  /** Puts an item as the service expects it. */
  putSecret(codeName: string, value: string): Promise<void>
  deleteSecret(codeName: string): Promise<void>
  createTable(): Promise<void>
  close(): Promise<void>
}

export const table = 'devops-challenge'

/** What the environment of a process needs to use it; the emulator accepts any credentials. */
export const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'eu-central-1' }

/** Starts the emulator with an empty table, or with none. */
export async function startDynamodb(options: { readonly withTable?: boolean } = {}): Promise<Dynamodb> {
  const { withTable = true } = options
  const reads: Record<string, unknown>[] = []
  const server = dynalite({ createTableMs: 0 })
  server.prependListener('request', (request) => {
    if (request.headers['x-amz-target'] !== 'DynamoDB_20120810.GetItem') return
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => reads.push(JSON.parse(Buffer.concat(parts).toString())))
  })
  const { endpoint, close } = await listening(server)
  const client = new DynamoDBClient({
    endpoint,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  })
  const put = async (Item: Record<string, AttributeValue>) => {
    await client.send(new PutItemCommand({ TableName: table, Item }))
  }
  const createTable = async () => {
    await client.send(
      new CreateTableCommand({
        TableName: table,
        AttributeDefinitions: [{ AttributeName: 'code_name', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'code_name', KeyType: 'HASH' }],
        BillingMode: 'PAY_PER_REQUEST',
      }),
    )
  }
  if (withTable) await createTable()
  return {
    endpoint,
    reads,
    put,
    createTable,
    putSecret: (codeName, value) => put({ code_name: { S: codeName }, secret_code: { S: value } }),
    deleteSecret: async (codeName) => {
      await client.send(new DeleteItemCommand({ TableName: table, Key: { code_name: { S: codeName } } }))
    },
    close: async () => {
      client.destroy()
      await close()
    },
  }
}
