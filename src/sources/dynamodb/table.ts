/** Reads secrets from a DynamoDB table. This module imports the AWS SDK, which is slow to load, so import it lazily. */
import type { SecureContext } from 'node:tls'
import {
  DynamoDBClient,
  type DynamoDBClientConfig,
  GetItemCommand,
  type GetItemCommandOutput,
} from '@aws-sdk/client-dynamodb'
import { UndiciHttpHandler } from '@smithy/undici-http-handler'
import type { CallContext } from '../../bus/call.ts'
import { messageOf } from '../../bus/errors.ts'
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import type { DynamodbLocation } from '../../channels.ts'
import { SecretNotFound, Sensitive, SourceFailure, type StoredSecret } from '../../secret.ts'
import { publishAttempts } from './attempts.ts'
import { credentials } from './credentials/credentials.ts'
import { type DispatcherOptions, newDispatcher } from './dispatcher.ts'
import { dynamodbFailure, invalidResponse } from './failures.ts'
import { keepResponseText } from './response-text.ts'
import { watchRetries } from './retries.ts'

export interface TableOptions extends DispatcherOptions {
  readonly table: string
  /** The partition key, which holds the code name. */
  readonly keyAttribute: string
  /** The attribute that holds the secret. No other attribute is read. */
  readonly valueAttribute: string
  readonly consistentRead: boolean
  /** Found by the SDK if omitted. */
  readonly region?: string | undefined
  readonly dynamodbEndpoint?: string | undefined
  /** Attempts per read, including the first. */
  readonly maxAttempts: number
}

export class DynamodbTable {
  readonly #bus: ProcessBus
  readonly #options: TableOptions
  readonly #client: DynamoDBClient
  readonly #closed = new AbortController()

  /**
   * @param bus logs the source of the credentials and failed attempts
   * @param location overrides the endpoint, region and credentials
   * @param trusted the certificate authorities to trust; those of Node.js by default
   */
  constructor(bus: ProcessBus, options: TableOptions, location?: DynamodbLocation, trusted?: SecureContext) {
    this.#bus = bus
    this.#options = options
    this.#client = connect(options, { credentials: credentials(bus, this.#closed.signal), ...location }, trusted)
  }

  /** @throws Error if no region is configured */
  async region(): Promise<string> {
    return this.#client.config.region()
  }

  /** @throws SecretNotFound if the table has no such item; SourceFailure for any other failure */
  read(codeName: string, call: CallContext): Promise<StoredSecret> {
    const { id, signal } = call
    const command = getItem(this.#options, codeName)
    const responseText = keepResponseText(command)
    watchRetries(command, (error, failed) => this.#onRetry(codeName, id, error, failed))
    publishAttempts(command, this.#options.table, call)
    const response = this.#client.send(command, { abortSignal: signal })
    return secretIn(response, responseText, this.#options, codeName)
  }

  /** Searches for the credentials again. If none are found, the current ones stay in use. */
  async renewCredentials(): Promise<void> {
    await this.#client.config.credentials({ forceRefresh: true })
  }

  close(): void {
    this.#closed.abort()
    this.#client.destroy()
  }

  /** Warns once per read, because later attempts mostly fail for the same reason. The last failure rejects the read. */
  #onRetry(codeName: string, reqId: string | undefined, error: unknown, failed: number): void {
    if (this.#closed.signal.aborted) return // caused by `close`
    const reason = messageOf(dynamodbFailure(error, this.#options.table))
    this.#bus.log(failed === 1 ? 'warn' : 'debug', `Retrying secret ${codeName}: ${reason}`, { codeName, reqId })
  }
}

function connect(
  options: TableOptions,
  location: Pick<DynamoDBClientConfig, 'credentials'>,
  trusted?: SecureContext,
): DynamoDBClient {
  const { region, dynamodbEndpoint: endpoint, maxAttempts } = options
  return new DynamoDBClient({
    ...(region && { region }),
    ...(endpoint && { endpoint }),
    ...location,
    maxAttempts,
    requestHandler: new UndiciHttpHandler({ dispatcher: newDispatcher(options, trusted) }),
  })
}

/** Projects the value attribute only. */
function getItem({ table, keyAttribute, valueAttribute, consistentRead }: TableOptions, codeName: string) {
  return new GetItemCommand({
    TableName: table,
    Key: { [keyAttribute]: { S: codeName } },
    ProjectionExpression: '#value',
    ExpressionAttributeNames: { '#value': valueAttribute },
    ConsistentRead: consistentRead,
  })
}

/** The response of DynamoDB for a missing item. ScyllaDB's Alternator sends it without a request id. */
const emptyObject = /^\s*\{\s*\}\s*$/

/** @throws SecretNotFound if the table has no such item; SourceFailure for any other failure */
async function secretIn(
  response: Promise<GetItemCommandOutput>,
  responseText: () => string,
  { table, valueAttribute }: TableOptions,
  codeName: string,
): Promise<StoredSecret> {
  const { Item: item, $metadata: metadata } = await response.catch((error) => {
    throw dynamodbFailure(error, table)
  })
  if (!item) {
    const text = responseText()
    const absent = emptyObject.test(text) || (text !== '' && metadata.requestId)
    throw absent ? new SecretNotFound(codeName) : invalidResponse()
  }
  const value: unknown = item[valueAttribute]?.S // the SDK does not check the type
  if (typeof value !== 'string') {
    const problem = `attribute ${valueAttribute} of ${JSON.stringify(codeName)} is missing or not a string`
    throw new SourceFailure('SOURCE_REFUSED', `DynamoDB table ${table}: ${problem}`)
  }
  return { codeName, value: new Sensitive(value) }
}
