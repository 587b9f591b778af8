/** Secrets in a DynamoDB table: answers `secret.fetch`. */
import { DynamoDBClient, GetItemCommand, type GetItemCommandOutput } from '@aws-sdk/client-dynamodb'
import { UndiciHttpHandler } from '@smithy/undici-http-handler'
import { messageOf } from '../bus/errors.ts'
import { lifecycle } from '../bus/lifecycle.ts'
import type { Subscriber } from '../bus/process-bus.ts'
import { type DynamodbLocation, fetchSecret, locateDynamodb } from '../channels.ts'
import { ExitError } from '../option-errors.ts'
import { SecretNotFound, Sensitive, SourceFailure, type StoredSecret } from '../secret.ts'
import { credentialsLog } from './credentials.ts'
import { dynamodbFailure, unreadableReply } from './dynamodb-failure.ts'
import { refuseEmptyReplies } from './empty-replies.ts'
import { watchRetries } from './retries.ts'

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
class NoRegion extends ExitError {
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
    const logCredentials = credentialsLog(bus)
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

    // One warning a fetch: later tries fail for the same reason, and the last of them fails the fetch.
    const onRetry = (codeName: string, reqId: string | undefined) => (error: unknown, failed: number) => {
      if (!client) return // it was our own stop
      const reason = messageOf(dynamodbFailure(error, options.table))
      bus.log(failed === 1 ? 'warn' : 'debug', `Secret ${codeName} is tried again: ${reason}`, { codeName, reqId })
    }

    bus.provide(fetchSecret, ({ codeName }, { id, signal }) => {
      if (!client) throw new SourceFailure('SOURCE_STARTING', 'the DynamoDB source has not started')
      logCredentials(client)
      const command = getItem(options, codeName)
      refuseEmptyReplies(command)
      watchRetries(command, onRetry(codeName, id))
      return secretIn(client.send(command, { abortSignal: signal }), options, codeName)
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

/** The item of the code name, and of it the value alone. */
function getItem({ table, keyAttribute, valueAttribute, consistentRead }: DynamodbOptions, codeName: string) {
  return new GetItemCommand({
    TableName: table,
    Key: { [keyAttribute]: { S: codeName } },
    ProjectionExpression: '#value',
    ExpressionAttributeNames: { '#value': valueAttribute },
    ConsistentRead: consistentRead,
  })
}

/**
 * The secret in the reply.
 * @throws SecretNotFound if the table has no such item; SourceFailure for everything else
 */
async function secretIn(
  reply: Promise<GetItemCommandOutput>,
  { table, valueAttribute }: DynamodbOptions,
  codeName: string,
): Promise<StoredSecret> {
  const { Item: item, $metadata: metadata } = await reply.catch((error) => {
    throw dynamodbFailure(error, table)
  })
  // The SDK takes whatever it cannot make sense of for an empty reply. DynamoDB's own has an id.
  if (!item && !metadata.requestId) throw unreadableReply()
  if (!item) throw new SecretNotFound(codeName)
  const value: unknown = item[valueAttribute]?.S // not checked by the SDK
  if (typeof value !== 'string') {
    const what = `attribute ${valueAttribute} of ${JSON.stringify(codeName)} is missing or not a string`
    throw new SourceFailure('SOURCE_REFUSED', `DynamoDB table ${table}: ${what}`)
  }
  return { codeName, value: new Sensitive(value), fetchedAt: Date.now() }
}
