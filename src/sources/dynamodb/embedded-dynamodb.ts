/** An in-process DynamoDB emulator for development, whose table contains a sample secret for every code name. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { lifecycle } from '../../bus/process/lifecycle.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { type DynamodbLocation, locateDynamodb } from '../../channels.ts'

export interface EmbeddedDynamodbOptions {
  readonly table: string
  readonly keyAttribute: string
  readonly valueAttribute: string
  readonly codeNames: readonly string[]
  /** Address to listen on; a free port of the loopback interface if omitted. */
  readonly listen?: { readonly host: string; readonly port: number }
}

/** The emulator is a development dependency, so a production install does not have it. */
class NoEmulator extends Error {
  override readonly name = 'NoEmulator'
  readonly code = 'NO_EMULATOR'

  constructor(cause: unknown) {
    super('--embedded requires the package dynalite: npm install dynalite', { cause })
  }
}

export const embeddedDynamodb =
  (options: EmbeddedDynamodbOptions): Subscriber =>
  (bus) => {
    let server: Server | undefined
    let location: DynamodbLocation | undefined

    bus.subscribe(lifecycle.start, async () => {
      server = await emulator()
      const { host, port: wantedPort } = options.listen ?? { host: '127.0.0.1', port: 0 }
      server.listen(wantedPort, host)
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo // a string only for a pipe
      location = {
        endpoint: `http://127.0.0.1:${port}`,
        region: 'local',
        credentials: { accessKeyId: 'embedded', secretAccessKey: 'embedded' },
      }
      await seed(location, options)
      bus.log(
        'info',
        `Started embedded DynamoDB on ${location.endpoint} with secrets for ${options.codeNames.join(', ')}`,
      )
    })

    bus.subscribe(lifecycle.stop, async () => {
      location = undefined
      if (!server?.listening) return
      const closed = promisify(server.close).call(server)
      server.closeAllConnections()
      await closed
    })

    bus.subscribe(locateDynamodb, () => {
      if (!location) throw new Error('The embedded DynamoDB has not started')
      return location
    })
  }

async function emulator(): Promise<Server> {
  try {
    const { default: dynalite } = await import('dynalite')
    return dynalite({ createTableMs: 0 })
  } catch (cause) {
    throw new NoEmulator(cause)
  }
}

async function seed(location: DynamodbLocation, options: EmbeddedDynamodbOptions): Promise<void> {
  const { CreateTableCommand, DynamoDBClient, PutItemCommand, waitUntilTableExists } = await import(
    '@aws-sdk/client-dynamodb'
  )
  const { table, keyAttribute, valueAttribute, codeNames } = options
  const client = new DynamoDBClient(location)
  const create = new CreateTableCommand({
    TableName: table,
    AttributeDefinitions: [{ AttributeName: keyAttribute, AttributeType: 'S' }],
    KeySchema: [{ AttributeName: keyAttribute, KeyType: 'HASH' }],
    BillingMode: 'PAY_PER_REQUEST',
  })
  const put = (codeName: string) =>
    new PutItemCommand({
      TableName: table,
      Item: { [keyAttribute]: { S: codeName }, [valueAttribute]: { S: `the secret of ${codeName}` } },
    })
  try {
    await client.send(create)
    await waitUntilTableExists({ client, maxWaitTime: 5, minDelay: 0.01 }, { TableName: table })
    for (const codeName of codeNames) await client.send(put(codeName))
  } finally {
    client.destroy()
  }
}
