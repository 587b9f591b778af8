/** What comes of each fault of DynamoDB: the tests hold the service to it, and `docs/RELIABILITY.md` shows it as a table. */

import { breakingOff, dripping, failing, hangingUp, resetting, silent, stalling } from '../http/faulty-server.ts'
import { type Fault, passingOn, refusing, replying } from './faulty-dynamodb.ts'

/** What comes of a read that fails. */
export interface Outcome {
  /** Of the reply where there is no value to serve. */
  readonly status: 404 | 502 | 503 | 504
  /** Whether that reply says when to ask again. */
  readonly retryAfter: boolean
  /** How many tries it takes, each a call of DynamoDB. */
  readonly tries: Tries
  /** What ends it. */
  readonly overAfter: keyof typeof endsInWords
  /** What becomes of the value in the cache. */
  readonly oldValue: 'kept' | 'dropped'
  /** What has to pass before the next one. */
  readonly pause: keyof typeof pausesInWords
}

export interface FaultRow extends Outcome {
  /** What DynamoDB does, in Markdown. */
  readonly fault: string
  /** How it may do so. */
  readonly ways: Readonly<Record<string, Fault | typeof refusing>>
}

export type Tries = keyof typeof triesInWords

const triesInWords = {
  none: 'none arrives',
  one: '1',
  all: '`--max-attempts`',
  some: '1 to `--max-attempts`',
}

const endsInWords = {
  tries: 'its tries',
  fetchTimeout: '`--fetch-timeout` at most',
}

const pausesInWords = {
  backoff: 'the backoff',
  negativeTtl: '`--negative-ttl`',
}

const throttled: Outcome = {
  status: 503,
  retryAfter: true,
  tries: 'all',
  overAfter: 'tries',
  oldValue: 'kept',
  pause: 'backoff',
}
const unavailable: Outcome = { ...throttled, status: 502 }
const late: Outcome = { ...throttled, status: 504, tries: 'some', overAfter: 'fetchTimeout' }
const refused: Outcome = { ...throttled, status: 502, tries: 'one', oldValue: 'dropped' }
const absent: Outcome = { ...refused, status: 404, retryAfter: false, pause: 'negativeTtl' }

const page = '<html><body>An error has occurred</body></html>'
const cutShort = '{"Item":{"secret_code":{"S":"fir'

/** By the name of the error: replies of HTTP 400, unless it is said otherwise. */
function errors(...names: readonly (string | readonly [name: string, status: number])[]): FaultRow['ways'] {
  return Object.fromEntries(
    names.map((given) => {
      const [name, status] = typeof given === 'string' ? [given, 400] : given
      return [name, failing(name, status)]
    }),
  )
}

export const faultMatrix: readonly FaultRow[] = [
  {
    fault:
      'throttles: `ProvisionedThroughputExceededException`, `ThrottlingException`, `RequestLimitExceeded` or another of ' +
      "AWS's names for it, or HTTP 429",
    ways: {
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
        ['another name with HTTP 429', 429],
      ),
      'a page with HTTP 429': replying(page, 429),
      'an empty reply with HTTP 429': replying('', 429),
    },
    ...throttled,
  },
  {
    fault: 'fails: HTTP 500, 502, 503 or 504, whatever the reply',
    ways: {
      ...errors(['InternalServerError', 500], ['InternalFailure', 500], ['ServiceUnavailable', 503]),
      'a page with HTTP 502': replying(page, 502),
      'a page with HTTP 504': replying(page, 504),
      'an empty reply with HTTP 503': replying('', 503),
      'a reply cut short with HTTP 500': replying('{"__type":"Inter', 500),
    },
    ...unavailable,
  },
  {
    fault: 'does not accept the credentials: expired, unknown, wrongly signed',
    ways: errors(
      'ExpiredTokenException',
      'UnrecognizedClientException',
      'InvalidSignatureException',
      'MissingAuthenticationTokenException',
      'IncompleteSignatureException',
      ['InvalidClientTokenId', 403],
      'RequestExpired',
    ),
    ...unavailable,
    tries: 'one',
  },
  {
    fault: 'denies access: `AccessDeniedException`',
    ways: { ...errors('AccessDeniedException'), 'with HTTP 403': failing('AccessDeniedException', 403) },
    ...refused,
  },
  {
    fault: 'has no such table, or refuses the request for another reason',
    ways: {
      'no such table': passingOn({ TableName: 'no-such-table' }),
      'another key': passingOn({ Key: { another_key: { S: 'thedoctor' } } }),
      ...errors('SerializationException'),
    },
    ...refused,
  },
  {
    fault: 'has no such item',
    ways: { 'no such item': passingOn({ Key: { code_name: { S: 'nobody' } } }) },
    ...absent,
  },
  {
    fault: 'has the item, but not the attribute, or one that is no string',
    ways: {
      'no attribute': passingOn({ ExpressionAttributeNames: { '#value': 'another_attribute' } }),
      'a number': passingOn({ ExpressionAttributeNames: { '#value': 'number' } }),
    },
    ...refused,
  },
  {
    fault: 'sends what is not its reply: cut short, empty, or from somebody between',
    ways: {
      'a reply cut short': replying(cutShort),
      'an empty reply': replying(''),
      'a page': replying(page),
      'a page with HTTP 403': replying(page, 403),
      'an empty reply with HTTP 403': replying('', 403),
    },
    ...unavailable,
    tries: 'one',
  },
  {
    fault: 'breaks off within the reply',
    ways: { 'breaks off': breakingOff },
    ...unavailable,
    tries: 'one',
  },
  {
    fault: 'closes or resets the connection without a reply',
    ways: { 'hangs up': hangingUp, resets: resetting },
    ...unavailable,
  },
  { fault: 'refuses connections', ways: { refuses: refusing }, ...unavailable, tries: 'none' },
  {
    fault: 'does not answer, or begins a reply and does not end it',
    ways: { 'never answers': silent, 'answers half': stalling, 'goes on for ever': dripping },
    ...late,
  },
  {
    fault: 'says that it was too slow to read the request: HTTP 408',
    ways: errors(['RequestTimeoutException', 408]),
    ...late,
    tries: 'all',
    overAfter: 'tries',
  },
]

/** What a client is told where there is no value to serve, in Markdown. */
export function withoutValue({ status, retryAfter }: Outcome): string {
  return retryAfter ? `${status}, \`Retry-After\`` : `${status}`
}

/** The matrix in Markdown. */
export function renderMatrix(): string {
  const head = [
    'DynamoDB …',
    'Tries of one read',
    'Which is over after',
    'Nothing in the cache',
    'A value past its lifetime',
    'A reload of a fresh value',
    'Read again after',
  ]
  const rows = faultMatrix.map((row) => [
    row.fault,
    triesInWords[row.tries],
    endsInWords[row.overAfter],
    `${withoutValue(row)}; not ready`,
    row.oldValue === 'kept'
      ? 'old value; ready, warns'
      : `old value until the read is over, then ${withoutValue(row)}; ready, warns`,
    row.oldValue === 'kept' ? 'fails, old value stays; ready' : `fails, then ${withoutValue(row)}; ready, warns`,
    pausesInWords[row.pause],
  ])
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
