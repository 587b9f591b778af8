/** The options of the secrets of a service. */
import type { OptionRecord } from './runtime/options/option.ts'
import { integer, matching, type OptionType } from './runtime/options/types.ts'

/**
 * A partition key of type string has at most 2,048 bytes of UTF-8. A lone surrogate, which JSON can contain, is not
 * encodable in UTF-8 or in a URL.
 */
export const codeName: OptionType<string> = {
  parse: (text) => (text !== '' && text.isWellFormed() && Buffer.byteLength(text) <= 2_048 ? text : undefined),
  allowed: 'a key of 1 to 2048 bytes',
}

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html */
export const table = matching(
  /^([\w.-]{3,255}|arn:[\w.:/-]{1,1020})$/,
  'a table name (3 to 255 letters, digits, _ . -) or a table ARN',
)

export const attribute = matching(/^.{1,255}$/su, 'an attribute name of 1 to 255 characters')

/** A host name label, because the AWS SDK makes it part of a host name. */
export const region = matching(/^[a-z\d]([a-z\d-]{0,61}[a-z\d])?$/i, 'an AWS region, such as eu-central-1')

export const secretOptions = {
  codeNames: {
    group: 'Secrets',
    flag: 'code-name',
    describe: 'Key of a secret to serve (repeatable); /secret serves the first',
    type: codeName,
    default: 'thedoctor',
    repeatable: true,
  },
  privateCodeNames: {
    group: 'Secrets',
    flag: 'private-code-name',
    describe: 'Key of a secret for subscribers only, never served over HTTP (repeatable)',
    type: codeName,
    repeatable: true,
  },
  clientsSecret: {
    group: 'Secrets',
    describe: 'Key of the secret that is the document of the clients; private',
    type: codeName,
  },
  table: { group: 'DynamoDB', describe: 'DynamoDB table', type: table, default: 'devops-challenge' },
  keyAttribute: { group: 'DynamoDB', describe: 'Attribute with the key', type: attribute, default: 'code_name' },
  valueAttribute: {
    group: 'DynamoDB',
    describe: 'Attribute with the value',
    type: attribute,
    default: 'secret_code',
  },
  region: {
    group: 'DynamoDB',
    describe: 'AWS region [default: from the AWS SDK]',
    type: region,
    fallbackVariable: 'AWS_REGION',
  },
  dynamodbEndpoint: {
    group: 'DynamoDB',
    describe: 'DynamoDB endpoint URL [default: from the AWS SDK]',
    type: 'url',
  },
  consistentRead: {
    group: 'DynamoDB',
    describe: 'Use strongly consistent reads; false halves their cost, but delays new values',
    type: 'flag',
    default: true,
  },
  connectTimeout: { group: 'DynamoDB', describe: 'Connection timeout', type: 'time-limit', default: '1s' },
  requestTimeout: {
    group: 'DynamoDB',
    describe: 'Inactivity timeout per attempt',
    type: 'time-limit',
    default: '2s',
  },
  maxAttempts: {
    group: 'DynamoDB',
    describe: 'Attempts per read, 1 to 10',
    type: integer(1, 10),
    default: '3',
    fallbackVariable: 'AWS_MAX_ATTEMPTS',
  },
  fetchTimeout: {
    group: 'DynamoDB',
    describe: 'Total timeout per read, including retries',
    type: 'time-limit',
    default: '5s',
  },
  embedded: {
    group: 'DynamoDB',
    describe: 'Run an in-process DynamoDB emulator (dynalite) with sample secrets',
    type: 'flag',
  },
  caBundle: {
    describe: 'PEM file with certificate authorities to trust in calls to AWS, in addition to the default ones',
    type: 'file',
    flag: false,
    variable: 'AWS_CA_BUNDLE',
  },
  cacheTtl: {
    group: 'Cache',
    describe: 'Maximum age of a secret, which is refreshed before; 0 disables caching',
    type: 'lifetime',
    default: 'forever',
  },
  maxStale: {
    group: 'Cache',
    describe: 'Time to serve a stale secret while refreshing fails',
    type: 'lifetime',
    default: '1h',
  },
  minRefreshInterval: {
    group: 'Cache',
    describe: 'Minimum time between reads of a secret that clients force; a shorter TTL is not refreshed ahead',
    type: 'time-limit',
    default: '1s',
  },
  negativeTtl: { group: 'Cache', describe: 'Cache TTL of a missing secret', type: 'duration', default: '2s' },
} as const satisfies OptionRecord

/** The secrets that are not served over HTTP. */
export function privateCodeNames({
  privateCodeNames,
  clientsSecret,
}: {
  readonly privateCodeNames: readonly string[]
  readonly clientsSecret: string | undefined
}): readonly string[] {
  return [...new Set([...privateCodeNames, ...(clientsSecret === undefined ? [] : [clientsSecret])])]
}
