/** A DynamoDB table, as it is asked for a secret. All that needs the AWS SDK is here, which takes its time to load. */
import { DynamoDBClient, GetItemCommand, type GetItemCommandOutput } from '@aws-sdk/client-dynamodb'
import { UndiciHttpHandler } from '@smithy/undici-http-handler'
import { messageOf } from '../../bus/errors.ts'
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import type { DynamodbLocation } from '../../channels.ts'
import { SecretNotFound, Sensitive, SourceFailure, type StoredSecret } from '../../secret.ts'
import { credentialsLog } from './credentials.ts'
import { refuseEmptyReplies } from './empty-replies.ts'
import { dynamodbFailure, unreadableReply } from './failures.ts'
import { watchRetries } from './retries.ts'

export interface TableOptions {
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

export class DynamodbTable {
  readonly #bus: ProcessBus
  readonly #options: TableOptions
  readonly #client: DynamoDBClient
  readonly #logCredentials: (client: DynamoDBClient) => void
  #closed = false

  /**
   * @param bus is told by the log where credentials are from, and of tries that failed
   * @param elsewhere where the table is, if it is not where the options say
   */
  constructor(bus: ProcessBus, options: TableOptions, elsewhere: DynamodbLocation | undefined) {
    this.#bus = bus
    this.#options = options
    this.#client = connect(options, elsewhere)
    this.#logCredentials = credentialsLog(bus)
  }

  /** @throws Error if there is none to be found */
  async region(): Promise<string> {
    return this.#client.config.region()
  }

  /** @throws SecretNotFound if the table has no such item; SourceFailure for everything else */
  read(codeName: string, id: string | undefined, signal: AbortSignal): Promise<StoredSecret> {
    this.#logCredentials(this.#client)
    const command = getItem(this.#options, codeName)
    refuseEmptyReplies(command)
    watchRetries(command, (error, failed) => this.#onRetry(codeName, id, error, failed))
    return secretIn(this.#client.send(command, { abortSignal: signal }), this.#options, codeName)
  }

  close(): void {
    this.#closed = true
    this.#client.destroy()
  }

  /** One warning a reading: later tries fail for the same reason, and the last of them fails the reading. */
  #onRetry(codeName: string, reqId: string | undefined, error: unknown, failed: number): void {
    if (this.#closed) return // it was our own stop
    const reason = messageOf(dynamodbFailure(error, this.#options.table))
    this.#bus.log(failed === 1 ? 'warn' : 'debug', `Secret ${codeName} is tried again: ${reason}`, { codeName, reqId })
  }
}

/** Credentials are never configured: the SDK's default chain finds them, unless the place brings its own. */
function connect(options: TableOptions, elsewhere: DynamodbLocation | undefined): DynamoDBClient {
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
function getItem({ table, keyAttribute, valueAttribute, consistentRead }: TableOptions, codeName: string) {
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
  { table, valueAttribute }: TableOptions,
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
