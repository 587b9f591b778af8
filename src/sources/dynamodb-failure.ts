/** What the SDK threw, as one of our few failures. Told by the error's name: DynamoDB throttles with HTTP 400. */
import { isThrottlingError } from '@smithy/core/retry'
import { messageOf } from '../bus/errors.ts'
import { SourceFailure, type SourceFailureCode } from '../secret.ts'

/**
 * Names of errors that are about who asks, not about what is allowed: they pass when the credentials are renewed.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
 */
const credentialErrors: ReadonlySet<string> = new Set([
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'InvalidSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'TokenProviderError',
  'UnrecognizedClientException',
])

type SdkError = Parameters<typeof isThrottlingError>[0] & { readonly code?: string }

/** The failure to report for whatever the reading of a table threw. */
export function dynamodbFailure(thrown: unknown, table: string): SourceFailure {
  if (thrown instanceof SourceFailure) return thrown
  // No cause here: a parse error quotes what it could not read.
  if (thrown instanceof SyntaxError) return unreadableReply()
  const error = thrown as SdkError // whatever else it is, it has none of the parts that are looked at
  return new SourceFailure(codeOf(error), `DynamoDB table ${table}: ${error.name}: ${messageOf(error)}`, {
    cause: error,
  })
}

export function unreadableReply(): SourceFailure {
  return new SourceFailure('SOURCE_UNAVAILABLE', 'DynamoDB sent an unreadable reply')
}

function codeOf(error: SdkError): SourceFailureCode {
  if (isThrottlingError(error)) return 'SOURCE_THROTTLED'
  if (isTimeout(error)) return 'SOURCE_TIMEOUT'
  if (credentialErrors.has(error.name)) return 'SOURCE_UNAVAILABLE'
  const status = error.$metadata?.httpStatusCode ?? 0
  return status >= 400 && status < 500 ? 'SOURCE_REFUSED' : 'SOURCE_UNAVAILABLE'
}

function isTimeout({ name, code = '' }: SdkError): boolean {
  return name === 'TimeoutError' || name === 'AbortError' || /^UND_ERR_\w+_TIMEOUT$|^ETIMEDOUT$/.test(code)
}
