/** The outcome of each fault of DynamoDB, which the tests verify and `docs/RELIABILITY.md` shows as a table. */
import {
  closeConnection,
  dripResponse,
  neverRespond,
  resetConnection,
  respondWithError,
  stallResponse,
  truncateResponse,
} from '../http/faulty-server.ts'
import { connectionRefused, type Fault, forwardWith, replyWith } from './faulty-dynamodb.ts'

/** The outcome of a read that fails. */
export interface Outcome {
  /** Status of the response if no value can be served. */
  readonly status: 404 | 502 | 503 | 504
  /** Whether that response has a `Retry-After` header. */
  readonly retryAfter: boolean
  /** Number of DynamoDB calls. */
  readonly attempts: Attempts
  /** What ends the read. */
  readonly endsAfter: keyof typeof endTexts
  /** What happens to the cached value. */
  readonly oldValue: 'kept' | 'dropped'
  /** The delay until the next read. */
  readonly pause: keyof typeof pauseTexts
}

export interface FaultRow extends Outcome {
  /** What DynamoDB does, in Markdown. */
  readonly fault: string
  /** The faults of this kind, by name. */
  readonly variants: Readonly<Record<string, Fault | typeof connectionRefused>>
}

export type Attempts = keyof typeof attemptTexts

const attemptTexts = {
  none: 'none received',
  one: '1',
  all: '`--max-attempts`',
  some: '1 to `--max-attempts`',
}

const endTexts = {
  attempts: 'the last attempt',
  fetchTimeout: '`--fetch-timeout` at the latest',
}

const pauseTexts = {
  backoff: 'the backoff',
  negativeTtl: '`--negative-ttl`',
}

const throttled: Outcome = {
  status: 503,
  retryAfter: true,
  attempts: 'all',
  endsAfter: 'attempts',
  oldValue: 'kept',
  pause: 'backoff',
}
const unavailable: Outcome = { ...throttled, status: 502 }
const timedOut: Outcome = { ...throttled, status: 504, attempts: 'some', endsAfter: 'fetchTimeout' }
const refused: Outcome = { ...throttled, status: 502, attempts: 'one', oldValue: 'dropped' }
const absent: Outcome = { ...refused, status: 404, retryAfter: false, pause: 'negativeTtl' }

const page = '<html><body>An error has occurred</body></html>'
const truncated = '{"Item":{"secret_code":{"S":"fir'

/** Error responses by error name, with HTTP 400 by default. */
function errors(...names: readonly (string | readonly [name: string, status: number])[]): FaultRow['variants'] {
  return Object.fromEntries(
    names.map((entry) => {
      const [name, status] = typeof entry === 'string' ? [entry, 400] : entry
      return [name, respondWithError(name, status)]
    }),
  )
}

export const faultMatrix: readonly FaultRow[] = [
  {
    fault:
      'throttles: `ProvisionedThroughputExceededException`, `ThrottlingException`, `RequestLimitExceeded`, another ' +
      'throttling error of AWS, or HTTP 429',
    variants: {
      ...errors(
        'ProvisionedThroughputExceededException',
        'ThrottlingException',
        'RequestLimitExceeded',
        'BandwidthLimitExceeded',
        'EC2ThrottledException',
        'LimitExceededException',
        'PriorRequestNotComplete',
        'RequestThrottled',
        'RequestThrottledException',
        'SlowDown',
        'ThrottledException',
        'Throttling',
        'TooManyRequestsException',
        'TransactionInProgressException',
        ['another error with HTTP 429', 429],
      ),
      'a page with HTTP 429': replyWith(page, 429),
      'an empty response with HTTP 429': replyWith('', 429),
    },
    ...throttled,
  },
  {
    fault: 'reports that KMS throttles: `KMSThrottlingException`',
    variants: errors('KMSThrottlingException', 'KMSThrottling', 'KmsThrottledException'),
    ...throttled,
    attempts: 'one',
  },
  {
    fault: 'fails with HTTP 500, 502, 503 or 504 and any body',
    variants: {
      ...errors(['InternalServerError', 500], ['InternalFailure', 500], ['ServiceUnavailable', 503]),
      'a page with HTTP 502': replyWith(page, 502),
      'a page with HTTP 504': replyWith(page, 504),
      'an empty response with HTTP 503': replyWith('', 503),
      'a truncated response with HTTP 500': replyWith('{"__type":"Inter', 500),
    },
    ...unavailable,
  },
  {
    fault: 'rejects the credentials: expired, unknown or wrongly signed',
    variants: errors(
      'ExpiredTokenException',
      'UnrecognizedClientException',
      'InvalidSignatureException',
      'MissingAuthenticationTokenException',
      'IncompleteSignatureException',
      ['InvalidClientTokenId', 403],
      'RequestExpired',
      ['SignatureDoesNotMatch', 403],
    ),
    ...unavailable,
    attempts: 'one',
  },
  {
    fault: 'finds that the clock is wrong: `RequestTimeTooSkewed`',
    variants: errors('RequestTimeTooSkewed', ['RequestInTheFuture', 403]),
    ...unavailable,
    attempts: 'one',
  },
  {
    fault: 'fails with HTTP 400 for a reason that passes: `RequestAbortedException`, a conflict, an internal error',
    variants: errors(
      'RequestAbortedException',
      'InternalServerError',
      'KMSInternalException',
      'KeyUnavailableException',
      'ResourceInUseException',
      'ServiceUnavailable',
      'TransactionConflictException',
    ),
    ...unavailable,
    attempts: 'one',
  },
  {
    fault: 'denies access: `AccessDeniedException`',
    variants: { ...errors('AccessDeniedException'), 'with HTTP 403': respondWithError('AccessDeniedException', 403) },
    ...refused,
  },
  {
    fault: 'does not have the table, or rejects the request for another reason',
    variants: {
      'no such table': forwardWith({ TableName: 'no-such-table' }),
      'another key': forwardWith({ Key: { another_key: { S: 'thedoctor' } } }),
      ...errors('SerializationException'),
    },
    ...refused,
  },
  {
    fault: 'has no such item',
    variants: {
      'no such item': forwardWith({ Key: { code_name: { S: 'no-such-item' } } }),
      'no request id': (_request, response) => response.end('{}'),
    },
    ...absent,
  },
  {
    fault: 'has the item, but the attribute is missing or not a string',
    variants: {
      'no attribute': forwardWith({ ExpressionAttributeNames: { '#value': 'another_attribute' } }),
      'a number': forwardWith({ ExpressionAttributeNames: { '#value': 'number' } }),
    },
    ...refused,
  },
  {
    fault: 'returns an invalid response: truncated, empty, or from a proxy',
    variants: {
      'a truncated response': replyWith(truncated),
      'an empty response': replyWith(''),
      'a page': replyWith(page),
      'a page with HTTP 403': replyWith(page, 403),
      'an empty response with HTTP 403': replyWith('', 403),
    },
    ...unavailable,
    attempts: 'one',
  },
  {
    fault: 'closes the connection in the middle of the response',
    variants: { 'closes midway': truncateResponse },
    ...unavailable,
    attempts: 'one',
  },
  {
    fault: 'closes or resets the connection without a response',
    variants: { closes: closeConnection, resets: resetConnection },
    ...unavailable,
  },
  { fault: 'refuses connections', variants: { refuses: connectionRefused }, ...unavailable, attempts: 'none' },
  {
    fault: 'does not respond, or never completes the response',
    variants: { 'never responds': neverRespond, 'stalls midway': stallResponse, 'never ends': dripResponse },
    ...timedOut,
  },
  {
    fault: 'times out while reading the request: HTTP 408',
    variants: errors(['RequestTimeoutException', 408]),
    ...timedOut,
    attempts: 'all',
    endsAfter: 'attempts',
  },
]

/** The response if no value can be served, in Markdown. */
export function withoutValue({ status, retryAfter }: Outcome): string {
  return retryAfter ? `${status}, \`Retry-After\`` : `${status}`
}

/** Renders the matrix as a Markdown table. */
export function renderMatrix(): string {
  const head = [
    'DynamoDB …',
    'Attempts per read',
    'Read ends after',
    'Nothing cached',
    'Stale value cached',
    'Reload of a fresh value',
    'Next read after',
  ]
  const rows = faultMatrix.map((row) => [
    row.fault,
    attemptTexts[row.attempts],
    endTexts[row.endsAfter],
    `${withoutValue(row)}; not ready`,
    row.oldValue === 'kept'
      ? 'stale value; ready with a warning'
      : `stale value until the read ends, then ${withoutValue(row)}; ready with a warning`,
    row.oldValue === 'kept'
      ? 'fails, keeps the cached value; ready'
      : `fails, then ${withoutValue(row)}; ready with a warning`,
    pauseTexts[row.pause],
  ])
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
