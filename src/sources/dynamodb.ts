/** Secrets in a DynamoDB table: answers `secret.fetch`. */
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb'
import { UndiciHttpHandler } from '@smithy/undici-http-handler'
import { messageOf } from '../bus/errors.ts'
import { lifecycle } from '../bus/lifecycle.ts'
import type { Subscriber } from '../bus/process-bus.ts'
import { type DynamodbLocation, fetchSecret, locateDynamodb } from '../channels.ts'
import { SecretNotFound, Sensitive, SourceFailure, type StoredSecret } from '../secret.ts'
import { dynamodbFailure, unreadableReply } from './dynamodb-failure.ts'

export interface DynamodbOptions {
  readonly table: string
  /** The attribute that is the table's key, and holds the code name. */
  readonly keyAttribute: string
  /** The attribute that holds the secret, and the only one that is read. */
  readonly valueAttribute: string
  readonly consistentRead: boolean
  /** The SDK's own way to find it when not given. */
  readonly region?: string | undefined
  readonly dynamodbEndpoint?: string | undefined
  /** To open a connection, in milliseconds. */
  readonly connectTimeout: number
  /** To wait for the headers, and then between parts of the body, of one try, in milliseconds. */
  readonly requestTimeout: number
  /** Tries of one read, the first included. */
  readonly maxAttempts: number
}

/** Nothing says which region to ask. Nothing will at run time either, so the process ends with `EX_USAGE`. */
class NoRegion extends Error {
  override readonly name = 'NoRegion'
  readonly code = 'NO_REGION'
  readonly exitCode = 64

  constructor(cause: unknown) {
    super(`no region (${messageOf(cause)}): give --region or AWS_REGION, or set one in the AWS profile`)
  }
}

export const dynamodb =
  (options: DynamodbOptions): Subscriber =>
  (bus) => {
    const locate = bus.publisher(locateDynamodb)
    let client: DynamoDBClient | undefined

    bus.subscribe(lifecycle.start, async () => {
      const [elsewhere] = await locate()
      client = connect(options, elsewhere)
      await client.config.region().catch((error) => {
        throw new NoRegion(error)
      })
    })

    bus.subscribe(lifecycle.stop, () => {
      client?.destroy()
      client = undefined
    })

    bus.provide(fetchSecret, ({ codeName }, { signal }) => {
      if (!client) throw new SourceFailure('SOURCE_STARTING', 'the DynamoDB source has not started')
      return read(client, options, codeName, signal)
    })
  }

/** Credentials are never configured: the SDK's default chain finds them, unless the place brings its own. */
function connect(options: DynamodbOptions, elsewhere: DynamodbLocation | undefined): DynamoDBClient {
  const { region, dynamodbEndpoint: endpoint, connectTimeout, requestTimeout, maxAttempts } = options
  return new DynamoDBClient({
    ...(region && { region }),
    ...(endpoint && { endpoint }),
    ...elsewhere,
    maxAttempts,
    requestHandler: new UndiciHttpHandler({
      dispatcher: {
        connect: { timeout: connectTimeout },
        headersTimeout: requestTimeout,
        bodyTimeout: requestTimeout,
      },
    }),
  })
}

/**
 * @throws SecretNotFound if the table has no such item; SourceFailure for everything else
 */
async function read(
  client: DynamoDBClient,
  options: DynamodbOptions,
  codeName: string,
  signal: AbortSignal,
): Promise<StoredSecret> {
  const command = new GetItemCommand({
    TableName: options.table,
    Key: { [options.keyAttribute]: { S: codeName } },
    ProjectionExpression: '#value',
    ExpressionAttributeNames: { '#value': options.valueAttribute },
    ConsistentRead: options.consistentRead,
  })
  const { Item: item, $metadata: metadata } = await client.send(command, { abortSignal: signal }).catch((error) => {
    throw dynamodbFailure(error, options.table)
  })
  // The SDK takes whatever it cannot make sense of for an empty reply. DynamoDB's own has an id.
  if (!item && !metadata.requestId) throw unreadableReply()
  if (!item) throw new SecretNotFound(codeName)
  const value: unknown = item[options.valueAttribute]?.S // not checked by the SDK
  if (typeof value !== 'string') {
    const what = `attribute ${options.valueAttribute} of ${JSON.stringify(codeName)} is missing or not a string`
    throw new SourceFailure('SOURCE_REFUSED', `DynamoDB table ${options.table}: ${what}`)
  }
  return { codeName, value: new Sensitive(value), fetchedAt: Date.now() }
}
