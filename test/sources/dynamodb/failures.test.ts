import { inspect } from 'node:util'
import { DynamoDBServiceException } from '@aws-sdk/client-dynamodb'
import { describe, expect, test } from 'vitest'
import { SourceFailure } from '../../../src/secret.ts'
import { dynamodbFailure as failureOf } from '../../../src/sources/dynamodb/failures.ts'

const dynamodbFailure = (thrown: unknown) => failureOf(thrown, 'things')

/** An error as the SDK throws it: one of DynamoDB if it has a status. */
function sdkError(name: string, { status, ...parts }: { status?: number; code?: string } = {}): Error {
  const message = 'what happened'
  if (status === undefined) return Object.assign(new Error(message), { name, ...parts })
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
  ])('%s is throttling, though it comes with HTTP 400', (name) => {
    expect(dynamodbFailure(sdkError(name, { status: 400 })).code).toBe('SOURCE_THROTTLED')
  })

  test('HTTP 429 is throttling whatever its name', () => {
    expect(dynamodbFailure(sdkError('Whatever', { status: 429 })).code).toBe('SOURCE_THROTTLED')
  })

  test('HTTP 429 is throttling even where the reply could not be parsed', () => {
    const error = Object.assign(new SyntaxError('Unexpected token'), { $metadata: { httpStatusCode: 429 } })

    expect(dynamodbFailure(error).code).toBe('SOURCE_THROTTLED')
  })

  test('RequestTimeoutException is an answer that took too long, though it comes with HTTP 408', () => {
    expect(dynamodbFailure(sdkError('RequestTimeoutException', { status: 408 })).code).toBe('SOURCE_TIMEOUT')
  })

  test.each([
    ['TimeoutError', undefined],
    ['AbortError', undefined],
    ['Error', 'ETIMEDOUT'],
    ['ConnectTimeoutError', 'UND_ERR_CONNECT_TIMEOUT'],
    ['HeadersTimeoutError', 'UND_ERR_HEADERS_TIMEOUT'],
    ['BodyTimeoutError', 'UND_ERR_BODY_TIMEOUT'],
  ])('%s with the code %s is an answer that took too long', (name, code) => {
    expect(dynamodbFailure(sdkError(name, code === undefined ? {} : { code })).code).toBe('SOURCE_TIMEOUT')
  })

  test.each([
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
  ])('%s is about who asks, and may pass, whatever its status', (name) => {
    expect(dynamodbFailure(sdkError(name, { status: 400 })).code).toBe('SOURCE_UNAVAILABLE')
    expect(dynamodbFailure(sdkError(name, { status: 403 })).code).toBe('SOURCE_UNAVAILABLE')
  })

  test.each([
    ['AccessDeniedException', 400],
    ['ResourceNotFoundException', 400],
    ['ValidationException', 400],
    ['Forbidden', 403],
  ])('%s with HTTP %i will be the same the next time', (name, status) => {
    expect(dynamodbFailure(sdkError(name, { status })).code).toBe('SOURCE_REFUSED')
  })

  test.each([
    ['an error without a name', 'Unknown', 400],
    ['an error that the SDK itself tries again', 'RequestTimeout', 400],
  ])('%s is no refusal, though it comes with HTTP 4xx', (_, name, status) => {
    expect(dynamodbFailure(sdkError(name, { status })).code).toBe('SOURCE_UNAVAILABLE')
  })

  test('who gives out the credentials does not refuse the secret', () => {
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
  ])('%s with %j is a source that cannot be reached', (name, parts) => {
    expect(dynamodbFailure(sdkError(name, parts)).code).toBe('SOURCE_UNAVAILABLE')
  })

  test('it says what went wrong, and why', () => {
    const failure = dynamodbFailure(Object.assign(sdkError('ConnectError'), { code: 'ECONNREFUSED' }))

    expect(failure.message).toBe('DynamoDB table things: ConnectError: what happened')
    expect(failure.cause).toMatchObject({ name: 'ConnectError', message: 'what happened', code: 'ECONNREFUSED' })
  })

  test('it keeps nothing of the reply that came with the error', () => {
    const error = Object.assign(sdkError('HTTPParserError'), { data: 'classified' })
    Object.defineProperty(error, '$response', { value: { headers: { x: 'classified' } } })

    expect(inspect(dynamodbFailure(error), { depth: 10, showHidden: true })).not.toContain('classified')
  })

  test('it says no more than the first line, after which AWS repeats the request with its token', () => {
    const message = 'It does not match.\n\nThe request was:\nx-amz-security-token:classified'

    const failure = dynamodbFailure(Object.assign(sdkError('InvalidSignatureException'), { message }))

    expect(failure.message).toBe('DynamoDB table things: InvalidSignatureException: It does not match.')
    expect(inspect(failure, { depth: 10, showHidden: true })).not.toContain('classified')
  })

  test.each([
    ['a reply', { $response: {} }, 'DynamoDB sent an unreadable reply'],
    ['what is said of the credentials', {}, 'the credentials that were found are unreadable'],
  ])('%s that could not be parsed is named, and neither quoted nor kept', (_, noted, message) => {
    const failure = dynamodbFailure(Object.assign(new SyntaxError('Unexpected token in "classified"'), noted))

    expect(failure).toMatchObject({ code: 'SOURCE_UNAVAILABLE', message })
    expect(inspect(failure, { depth: 10, showHidden: true })).not.toContain('classified')
  })

  test('what is a source failure already stays as it is', () => {
    const failure = new SourceFailure('SOURCE_REFUSED', 'no')

    expect(dynamodbFailure(failure)).toBe(failure)
  })

  test.each(['a string', 42, {}])('%j, which is no error, is a source that cannot be reached', (thrown) => {
    expect(dynamodbFailure(thrown)).toMatchObject({ name: 'SourceFailure', code: 'SOURCE_UNAVAILABLE' })
  })
})
