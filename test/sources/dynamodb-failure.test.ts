import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { SourceFailure } from '../../src/secret.ts'
import { dynamodbFailure as failureOf } from '../../src/sources/dynamodb-failure.ts'

const dynamodbFailure = (thrown: unknown) => failureOf(thrown, 'things')

/** An error as the SDK throws it. */
function sdkError(name: string, { status, ...parts }: { status?: number; code?: string } = {}): Error {
  const $metadata = status === undefined ? undefined : { httpStatusCode: status }
  return Object.assign(new Error('what happened'), { name, ...($metadata && { $metadata }), ...parts })
}

describe('dynamodbFailure', () => {
  test.each([
    'BandwidthLimitExceeded',
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
  ])('%s is throttling, though it comes with HTTP 400', (name) => {
    expect(dynamodbFailure(sdkError(name, { status: 400 })).code).toBe('SOURCE_THROTTLED')
  })

  test('HTTP 429 is throttling whatever its name', () => {
    expect(dynamodbFailure(sdkError('Whatever', { status: 429 })).code).toBe('SOURCE_THROTTLED')
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
    'CredentialsProviderError',
    'ExpiredToken',
    'ExpiredTokenException',
    'IncompleteSignature',
    'InvalidSignatureException',
    'MissingAuthenticationToken',
    'TokenProviderError',
    'UnrecognizedClientException',
  ])('%s is about who asks, and may pass, whatever its status', (name) => {
    expect(dynamodbFailure(sdkError(name)).code).toBe('SOURCE_UNAVAILABLE')
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
    ['InternalServerError', { status: 500 }],
    ['ServiceUnavailable', { status: 503 }],
    ['Error', { code: 'ECONNREFUSED' }],
    ['Error', { code: 'ENOTFOUND' }],
    ['RequestTimeout', { code: 'UND_ERR_SOCKET' }],
    ['Error', {}],
  ])('%s with %j is a source that cannot be reached', (name, parts) => {
    expect(dynamodbFailure(sdkError(name, parts)).code).toBe('SOURCE_UNAVAILABLE')
  })

  test('it says what DynamoDB said, and keeps the cause', () => {
    const cause = sdkError('AccessDeniedException', { status: 400 })

    const failure = dynamodbFailure(cause)

    expect(failure.message).toBe('DynamoDB table things: AccessDeniedException: what happened')
    expect(failure.cause).toBe(cause)
  })

  test('a reply that could not be parsed is neither quoted nor kept', () => {
    const failure = dynamodbFailure(new SyntaxError('Unexpected token in "classified"'))

    expect(failure.code).toBe('SOURCE_UNAVAILABLE')
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
