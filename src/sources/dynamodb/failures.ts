/** What the SDK threw, as one of our few failures. Told by the error's name: DynamoDB throttles with HTTP 400. */
import { DynamoDBServiceException } from '@aws-sdk/client-dynamodb'
import { isThrottlingError, isTransientError } from '@smithy/core/retry'
import { messageOf } from '../../bus/errors.ts'
import { SourceFailure, type SourceFailureCode } from '../../secret.ts'

/**
 * DynamoDB's errors that are about who asks, not about what is allowed: they pass when the credentials are renewed.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
 * https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html
 */
const credentialErrors: ReadonlySet<string> = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'RequestExpired',
  'UnrecognizedClientException',
])

type SdkError = Parameters<typeof isThrottlingError>[0] & { readonly code?: string }

/** The failure to report for whatever the reading of a table threw. */
export function dynamodbFailure(thrown: unknown, table: string): SourceFailure {
  if (thrown instanceof SourceFailure) return thrown
  const error = thrown as SdkError // whatever else it is, it has none of the parts that are looked at
  const code = failureCodeOf(error)
  if (thrown instanceof SyntaxError) return unreadable(thrown, code)
  const cause = told(error)
  return new SourceFailure(code, `DynamoDB table ${table}: ${cause.name}: ${cause.message}`, { cause })
}

/**
 * What may be told of an error. The SDK's own carries the reply, hidden or not: its headers, whatever else is in its body,
 * the bytes that are no HTTP. And from its second line on, AWS's message on a wrong signature repeats the session token.
 */
function told(error: SdkError): Error {
  const [message] = messageOf(error).split('\n', 1)
  const { name, code } = error
  return Object.assign(new Error(message), { name, ...(code !== undefined && { code }) })
}

export function unreadableReply(code: SourceFailureCode = 'SOURCE_UNAVAILABLE'): SourceFailure {
  return new SourceFailure(code, 'DynamoDB sent an unreadable reply')
}

/** No cause here: a parse error quotes what it could not read. The SDK notes whether that was a reply of DynamoDB. */
function unreadable(error: SyntaxError, code: SourceFailureCode): SourceFailure {
  if ('$response' in error) return unreadableReply(code)
  return new SourceFailure(code, 'the credentials that were found are unreadable')
}

function failureCodeOf(error: SdkError): SourceFailureCode {
  if (isThrottlingError(error)) return 'SOURCE_THROTTLED'
  if (isTimeout(error)) return 'SOURCE_TIMEOUT'
  return isRefusal(error) ? 'SOURCE_REFUSED' : 'SOURCE_UNAVAILABLE'
}

function isTimeout({ name, code = '' }: SdkError): boolean {
  const names = ['TimeoutError', 'AbortError', 'RequestTimeoutException']
  return names.includes(name) || /^UND_ERR_\w+_TIMEOUT$|^ETIMEDOUT$/.test(code)
}

/** Only DynamoDB itself refuses: not who gives out the credentials, and not who stands between and names no error. */
function isRefusal(error: SdkError): boolean {
  if (!(error instanceof DynamoDBServiceException) || error.name === 'Unknown') return false
  const status = error.$metadata.httpStatusCode ?? 0
  return status >= 400 && status < 500 && !credentialErrors.has(error.name) && !isTransientError(error)
}
