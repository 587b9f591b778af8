/** A DynamoDB emulator for tests, on a free port, used over HTTP like the real one. */
import {
  type AttributeValue,
  CreateTableCommand,
  DeleteItemCommand,
  DynamoDBClient,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb'
import dynalite from 'dynalite'
import { listen } from '../http/listen.ts'

export interface Emulator {
  readonly endpoint: string
  put(item: Record<string, AttributeValue>): Promise<void>
  /** Puts an item with the attributes that the service reads. */
  putSecret(codeName: string, value: string): Promise<void>
  deleteSecret(codeName: string): Promise<void>
  createTable(): Promise<void>
  close(): Promise<void>
}

export interface Dynamodb extends Emulator {
  /** The parsed bodies of the GetItem calls received. */
  readonly reads: Record<string, unknown>[]
}

export const table = 'devops-challenge'

/** Environment variables for clients; the emulator accepts any credentials. */
export const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'eu-central-1' }

/** Starts the emulator, with an empty table unless `withTable` is false. */
export async function startDynamodb(options: { readonly withTable?: boolean } = {}): Promise<Dynamodb> {
  const { withTable = true } = options
  const reads: Record<string, unknown>[] = []
  const server = dynalite({ createTableMs: 0 })
  server.prependListener('request', (request) => {
    if (request.headers['x-amz-target'] !== 'DynamoDB_20120810.GetItem') return
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => reads.push(JSON.parse(Buffer.concat(chunks).toString())))
  })
  const { endpoint, close } = await listen(server)
  return { ...(await emulatorAt(endpoint, close, withTable)), reads }
}

/** Uses the emulator at this endpoint. */
export async function emulatorAt(endpoint: string, close: () => Promise<void>, withTable: boolean): Promise<Emulator> {
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
