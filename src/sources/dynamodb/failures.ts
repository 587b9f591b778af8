/** Maps errors of the SDK to source failures, by name rather than status: DynamoDB throttles with HTTP 400. */
import { DynamoDBServiceException } from '@aws-sdk/client-dynamodb'
import { isThrottlingError, isTransientError } from '@smithy/core/retry'
import { messageOf } from '../../bus/errors.ts'
import { SourceFailure, type SourceFailureCode } from '../../secret.ts'

/**
 * DynamoDB's authentication errors. Unlike authorization errors, they are transient: they end when the credentials are
 * renewed.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
 * https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html
 */
const credentialErrors: ReadonlySet<string> = new Set([
  'AuthFailure',
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'RequestExpired',
  'RequestInTheFuture',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
  'UnrecognizedClientException',
])

/**
 * Throttling errors that the SDK does not recognize. DynamoDB passes on those of KMS, which decrypts encrypted tables:
 * https://docs.aws.amazon.com/kms/latest/developerguide/throttling.html
 */
const throttlingName = /Throttl|^KMSLimitExceeded/

/**
 * Names of errors with HTTP 4xx that are not caused by the request or the secret: the request was aborted, an internal
 * component of AWS failed, or the table or its key is changing. The same request may succeed later.
 * https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors
 */
const transientName =
  /Abort|Conflict|Dependency|InProgress|InUse|Internal|KeyUnavailable|NotReady|ServiceFailure|ServiceUnavailable|Timeout|TryAgain/

type SdkError = Parameters<typeof isThrottlingError>[0] & { readonly code?: string }

/** Maps a value thrown by a read of the table. */
export function dynamodbFailure(thrown: unknown, table: string): SourceFailure {
  if (thrown instanceof SourceFailure) return thrown
  const error = thrown as SdkError // any other value lacks the properties that are read
  const code = failureCodeOf(error)
  if (thrown instanceof SyntaxError) return parseFailure(thrown, code)
  const cause = sanitized(error)
  return new SourceFailure(code, `DynamoDB table ${table}: ${cause.name}: ${cause.message}`, { cause })
}

/**
 * Copies only what is safe to log. The SDK's error carries the response in visible and hidden properties. AWS's message
 * about a wrong signature repeats the session token after its first line.
 */
function sanitized(error: SdkError): Error {
  const [message] = messageOf(error).split('\n', 1)
  const { name, code } = error
  return Object.assign(new Error(message), { name, ...(code !== undefined && { code }) })
}

export function invalidResponse(code: SourceFailureCode = 'SOURCE_UNAVAILABLE'): SourceFailure {
  return new SourceFailure(code, 'DynamoDB returned an invalid response')
}

/**
 * The result has no cause, because a parse error quotes the text. Only an error about a response of DynamoDB has
 * `$response`; others are about credentials.
 */
function parseFailure(error: SyntaxError, code: SourceFailureCode): SourceFailure {
  if ('$response' in error) return invalidResponse(code)
  return new SourceFailure(code, 'Failed to parse the AWS credentials')
}

function failureCodeOf(error: SdkError): SourceFailureCode {
  if (isThrottlingError(error) || throttlingName.test(error.name)) return 'SOURCE_THROTTLED'
  if (isTimeout(error)) return 'SOURCE_TIMEOUT'
  return isRefusal(error) ? 'SOURCE_REFUSED' : 'SOURCE_UNAVAILABLE'
}

function isTimeout({ name, message, code = '' }: SdkError): boolean {
  // undici reports a proxy that refuses to connect as an abort.
  if (code === 'UND_ERR_ABORTED' && /^Proxy response/.test(message)) return false
  const names = ['TimeoutError', 'AbortError', 'RequestTimeoutException']
  return names.includes(name) || /^UND_ERR_\w+_TIMEOUT$|^ETIMEDOUT$/.test(code)
}

/** Only errors of DynamoDB itself count, not those of a credentials provider or a proxy. */
function isRefusal(error: SdkError): boolean {
  if (!(error instanceof DynamoDBServiceException) || error.name === 'Unknown') return false
  const { name, $metadata } = error
  const status = $metadata.httpStatusCode ?? 0
  if (credentialErrors.has(name) || transientName.test(name) || isTransientError(error)) return false
  return status >= 400 && status < 500
}
