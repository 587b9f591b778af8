/** The outcome of each fault of DynamoDB, which the tests verify and `docs/RELIABILITY.md` shows as a table. */
import { breakingOff, dripping, failing, hangingUp, resetting, silent, stalling } from '../http/faulty-server.ts'
import { type Fault, forwarding, refusing, replying } from './faulty-dynamodb.ts'

/** The outcome of a read that fails. */
export interface Outcome {
  /** Status of the response if no value can be served. */
  readonly status: 404 | 502 | 503 | 504
  /** Whether that response has a `Retry-After` header. */
  readonly retryAfter: boolean
  /** Number of calls of DynamoDB. */
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
  readonly variants: Readonly<Record<string, Fault | typeof refusing>>
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
      return [name, failing(name, status)]
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
      'a page with HTTP 429': replying(page, 429),
      'an empty response with HTTP 429': replying('', 429),
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
      'a page with HTTP 502': replying(page, 502),
      'a page with HTTP 504': replying(page, 504),
      'an empty response with HTTP 503': replying('', 503),
      'a truncated response with HTTP 500': replying('{"__type":"Inter', 500),
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
    variants: { ...errors('AccessDeniedException'), 'with HTTP 403': failing('AccessDeniedException', 403) },
    ...refused,
  },
  {
    fault: 'has no such table, or rejects the request for another reason',
    variants: {
      'no such table': forwarding({ TableName: 'no-such-table' }),
      'another key': forwarding({ Key: { another_key: { S: 'thedoctor' } } }),
      ...errors('SerializationException'),
    },
    ...refused,
  },
  {
    fault: 'has no such item',
    variants: {
      'no such item': forwarding({ Key: { code_name: { S: 'no-such-item' } } }),
      'no request id': (_request, response) => response.end('{}'),
    },
    ...absent,
  },
  {
    fault: 'has the item, but the attribute is missing or not a string',
    variants: {
      'no attribute': forwarding({ ExpressionAttributeNames: { '#value': 'another_attribute' } }),
      'a number': forwarding({ ExpressionAttributeNames: { '#value': 'number' } }),
    },
    ...refused,
  },
  {
    fault: 'returns an invalid response: truncated, empty, or from a proxy',
    variants: {
      'a truncated response': replying(truncated),
      'an empty response': replying(''),
      'a page': replying(page),
      'a page with HTTP 403': replying(page, 403),
      'an empty response with HTTP 403': replying('', 403),
    },
    ...unavailable,
    attempts: 'one',
  },
  {
    fault: 'closes the connection in the middle of the response',
    variants: { 'closes midway': breakingOff },
    ...unavailable,
    attempts: 'one',
  },
  {
    fault: 'closes or resets the connection without a response',
    variants: { closes: hangingUp, resets: resetting },
    ...unavailable,
  },
  { fault: 'refuses connections', variants: { refuses: refusing }, ...unavailable, attempts: 'none' },
  {
    fault: 'does not respond, or never completes the response',
    variants: { 'never responds': silent, 'stalls midway': stalling, 'never ends': dripping },
    ...timedOut,
  },
  {
    fault: 'reports a timeout while it read the request: HTTP 408',
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
      ? 'old value; ready with a warning'
      : `old value until the read ends, then ${withoutValue(row)}; ready with a warning`,
    row.oldValue === 'kept'
      ? 'fails, keeps the old value; ready'
      : `fails, then ${withoutValue(row)}; ready with a warning`,
    pauseTexts[row.pause],
  ])
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
