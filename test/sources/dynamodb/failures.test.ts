import { inspect } from 'node:util'
import { DynamoDBServiceException } from '@aws-sdk/client-dynamodb'
import { describe, expect, test } from 'vitest'
import { SourceFailure } from '../../../src/secret.ts'
import { dynamodbFailure as failureOf } from '../../../src/sources/dynamodb/failures.ts'

const dynamodbFailure = (thrown: unknown) => failureOf(thrown, 'things')

/** An error as thrown by the SDK; an error response of DynamoDB if it has a status. */
function sdkError(name: string, { status, ...properties }: { status?: number; code?: string } = {}): Error {
  const message = 'what happened'
  if (status === undefined) return Object.assign(new Error(message), { name, ...properties })
  return new DynamoDBServiceException({ name, message, $fault: 'client', $metadata: { httpStatusCode: status } })
}

describe('dynamodbFailure', () => {
  test.each([
    'BandwidthLimitExceeded',
    'EC2ThrottledException',
    'LimitExceededException',
    'PriorRequestNotComplete',
    'ProvisionedThroughputExceededException',
    'RequestLimitExceeded',
    'RequestThrottled',
    'RequestThrottledException',
    'SlowDown',
    'ThrottledException',
    'Throttling',
    'ThrottlingException',
    'TooManyRequestsException',
    'TransactionInProgressException',
    'KMSThrottlingException',
    'KMSThrottling',
    'KmsThrottledException',
    'KMSLimitExceededException',
  ])('maps %s with HTTP 400 to throttling', (name) => {
    expect(dynamodbFailure(sdkError(name, { status: 400 })).code).toBe('SOURCE_THROTTLED')
  })

  test('maps HTTP 429 to throttling for any error name', () => {
    expect(dynamodbFailure(sdkError('AnotherError', { status: 429 })).code).toBe('SOURCE_THROTTLED')
  })

  test('maps HTTP 429 to throttling even if the response cannot be parsed', () => {
    const error = Object.assign(new SyntaxError('Unexpected token'), { $metadata: { httpStatusCode: 429 } })

    expect(dynamodbFailure(error).code).toBe('SOURCE_THROTTLED')
  })

  test('maps RequestTimeoutException with HTTP 408 to a timeout', () => {
    expect(dynamodbFailure(sdkError('RequestTimeoutException', { status: 408 })).code).toBe('SOURCE_TIMEOUT')
  })

  test.each([
    ['TimeoutError', undefined],
    ['AbortError', undefined],
    ['Error', 'ETIMEDOUT'],
    ['ConnectTimeoutError', 'UND_ERR_CONNECT_TIMEOUT'],
    ['HeadersTimeoutError', 'UND_ERR_HEADERS_TIMEOUT'],
    ['BodyTimeoutError', 'UND_ERR_BODY_TIMEOUT'],
  ])('maps %s with the code %s to a timeout', (name, code) => {
    expect(dynamodbFailure(sdkError(name, code === undefined ? {} : { code })).code).toBe('SOURCE_TIMEOUT')
  })

  test.each([
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
  ])('maps the authentication error %s to unavailable for any status', (name) => {
    expect(dynamodbFailure(sdkError(name, { status: 400 })).code).toBe('SOURCE_UNAVAILABLE')
    expect(dynamodbFailure(sdkError(name, { status: 403 })).code).toBe('SOURCE_UNAVAILABLE')
  })

  test.each([
    ['AccessDeniedException', 400],
    ['ResourceNotFoundException', 400],
    ['ValidationException', 400],
    ['KMSAccessDeniedException', 400],
    ['KMSDisabledException', 400],
    ['KMSInvalidStateException', 400],
    ['KMSNotFoundException', 400],
    ['OptInRequired', 403],
    ['UnknownOperationException', 400],
    ['Forbidden', 403],
  ])('maps %s with HTTP %i to refused', (name, status) => {
    expect(dynamodbFailure(sdkError(name, { status })).code).toBe('SOURCE_REFUSED')
  })

  test.each([
    ['an error without a name', 'Unknown', 400],
    ['an error that the SDK retries', 'RequestTimeout', 400],
    ['an aborted request', 'RequestAbortedException', 400],
    ['an internal error', 'InternalServerError', 400],
    ['an internal error of KMS', 'KMSInternalException', 400],
    ['an unavailable key', 'KeyUnavailableException', 400],
    ['a conflict', 'ReplicatedWriteConflictException', 400],
    ['a conflict with a transaction', 'TransactionConflictException', 400],
    ['a table that is changing', 'ResourceInUseException', 400],
    ['an unavailable service', 'ServiceUnavailable', 403],
  ])('maps %s with HTTP 4xx to unavailable', (_, name, status) => {
    expect(dynamodbFailure(sdkError(name, { status })).code).toBe('SOURCE_UNAVAILABLE')
  })

  test('maps a refusal of the credentials provider to unavailable', () => {
    const error = Object.assign(new Error('no such role'), { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } })

    expect(dynamodbFailure(error).code).toBe('SOURCE_UNAVAILABLE')
  })

  test.each([
    ['InternalServerError', { status: 500 }],
    ['ServiceUnavailable', { status: 503 }],
    ['CredentialsProviderError', {}],
    ['TokenProviderError', {}],
    ['Error', { code: 'ECONNREFUSED' }],
    ['Error', { code: 'ENOTFOUND' }],
    ['RequestTimeout', { code: 'UND_ERR_SOCKET' }],
    ['Error', {}],
  ])('maps %s with %j to unavailable', (name, properties) => {
    expect(dynamodbFailure(sdkError(name, properties)).code).toBe('SOURCE_UNAVAILABLE')
  })

  test('reports the table, name and message of the error, and has a cause with its code', () => {
    const failure = dynamodbFailure(Object.assign(sdkError('ConnectError'), { code: 'ECONNREFUSED' }))

    expect(failure.message).toBe('DynamoDB table things: ConnectError: what happened')
    expect(failure.cause).toMatchObject({ name: 'ConnectError', message: 'what happened', code: 'ECONNREFUSED' })
  })

  test('does not keep the response of the error', () => {
    const error = Object.assign(sdkError('HTTPParserError'), { data: 'classified' })
    Object.defineProperty(error, '$response', { value: { headers: { x: 'classified' } } })

    expect(inspect(dynamodbFailure(error), { depth: 10, showHidden: true })).not.toContain('classified')
  })

  test('keeps the first line of the message only, because AWS repeats the session token after it', () => {
    const message = 'It does not match.\n\nThe request was:\nx-amz-security-token:classified'

    const failure = dynamodbFailure(Object.assign(sdkError('InvalidSignatureException'), { message }))

    expect(failure.message).toBe('DynamoDB table things: InvalidSignatureException: It does not match.')
    expect(inspect(failure, { depth: 10, showHidden: true })).not.toContain('classified')
  })

  test.each([
    ['a response', { $response: {} }, 'DynamoDB returned an invalid response'],
    ['credentials', {}, 'Failed to parse the AWS credentials'],
  ])('reports a parse error of %s without quoting the text', (_, properties, message) => {
    const failure = dynamodbFailure(Object.assign(new SyntaxError('Unexpected token in "classified"'), properties))

    expect(failure).toMatchObject({ code: 'SOURCE_UNAVAILABLE', message })
    expect(inspect(failure, { depth: 10, showHidden: true })).not.toContain('classified')
  })

  test('returns a source failure unchanged', () => {
    const failure = new SourceFailure('SOURCE_REFUSED', 'no')

    expect(dynamodbFailure(failure)).toBe(failure)
  })

  test.each(['a string', 42, {}])('maps %j, which is not an error, to unavailable', (thrown) => {
    expect(dynamodbFailure(thrown)).toMatchObject({ name: 'SourceFailure', code: 'SOURCE_UNAVAILABLE' })
  })
})
