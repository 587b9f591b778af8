/** Every option, once: its group and flag, what it is for, what may be given, and what is taken if nothing is. */

import type { Sensitive } from '../../secret.ts'
import type { OptionType } from './types.ts'
import * as type from './types.ts'

export interface Definition<Value = unknown> {
  readonly group: string
  readonly describe: string
  readonly type: OptionType<Value>
  /** As it would be written. */
  readonly default?: string
  /** May be given several times; the value is a list. */
  readonly repeatable?: true
  /** Without the dashes, where it is not simply the name of the property. */
  readonly flag?: string
}

export const definitions = {
  host: { group: 'HTTP', describe: 'Address to listen on', type: type.host, default: '127.0.0.1' },
  port: { group: 'HTTP', describe: 'Port to listen on; 0 takes a free one', type: type.port, default: '5000' },
  trustProxy: {
    group: 'HTTP',
    describe: "Take the client's address from X-Forwarded-For",
    type: type.flag,
    default: 'false',
  },
  authTokenFile: {
    group: 'HTTP',
    describe: 'File with bearer tokens, one a line, or the variable SECRET_BUS_AUTH_TOKEN',
    type: type.path,
  },
  tlsCert: { group: 'HTTP', describe: 'PEM file with the certificate, for HTTPS', type: type.path },
  tlsKey: { group: 'HTTP', describe: 'PEM file with its key', type: type.path },
  inspector: {
    group: 'HTTP',
    describe: 'Show at /-/bus who is wired to whom, and what passes',
    type: type.flag,
    default: 'false',
  },
  codeNames: {
    group: 'Secrets',
    flag: 'code-name',
    describe: 'Key of a secret to serve (repeatable); /secret serves the first',
    type: type.codeName,
    default: 'thedoctor',
    repeatable: true,
  },
  table: { group: 'DynamoDB', describe: 'Table with the secrets', type: type.table, default: 'devops-challenge' },
  keyAttribute: {
    group: 'DynamoDB',
    describe: 'Attribute with the key',
    type: type.attribute,
    default: 'code_name',
  },
  valueAttribute: {
    group: 'DynamoDB',
    describe: 'Attribute with the value',
    type: type.attribute,
    default: 'secret_code',
  },
  region: { group: 'DynamoDB', describe: "AWS region [default: the AWS SDK's]", type: type.region },
  dynamodbEndpoint: { group: 'DynamoDB', describe: "URL of DynamoDB [default: the AWS SDK's]", type: type.httpUrl },
  consistentRead: { group: 'DynamoDB', describe: 'Read strongly consistent', type: type.flag, default: 'false' },
  connectTimeout: {
    group: 'DynamoDB',
    describe: 'Longest time to connect',
    type: type.timeLimit,
    default: '1s',
  },
  requestTimeout: {
    group: 'DynamoDB',
    describe: 'Longest silence of DynamoDB in one try',
    type: type.timeLimit,
    default: '2s',
  },
  maxAttempts: { group: 'DynamoDB', describe: 'Tries of one read', type: type.integer(1, 10), default: '3' },
  fetchTimeout: {
    group: 'DynamoDB',
    describe: 'Longest time for all tries of one read',
    type: type.timeLimit,
    default: '5s',
  },
  embedded: {
    group: 'DynamoDB',
    describe: 'Run an emulator (the package dynalite) in this process, with made-up secrets',
    type: type.flag,
    default: 'false',
  },
  cacheTtl: {
    group: 'Cache',
    describe: 'Lifetime of a secret, give or take 10%; 0 caches nothing',
    type: type.lifetime,
    default: 'forever',
  },
  maxStale: {
    group: 'Cache',
    describe: 'How much longer to serve it if it cannot be refetched',
    type: type.lifetime,
    default: '1h',
  },
  negativeTtl: {
    group: 'Cache',
    describe: 'How long to remember that there is no such secret',
    type: type.duration,
    default: '2s',
  },
  drain: {
    group: 'Process',
    describe: 'How long to go on serving when told to exit',
    type: type.duration,
    default: '0s',
  },
  shutdownTimeout: {
    group: 'Process',
    describe: 'Longest time to exit after that',
    type: type.timeLimit,
    default: '10s',
  },
  container: { group: 'Process', describe: 'Link to the image [default: from ECS, or ours]', type: type.link },
  project: { group: 'Process', describe: 'Link to the repository [default: ours]', type: type.link },
  logLevel: { group: 'Logs', describe: 'Least level to log', type: type.logLevel, default: 'info' },
  logFormat: {
    group: 'Logs',
    describe: 'json, pretty, or auto: pretty on a terminal',
    type: type.logFormat,
    default: 'auto',
  },
  plugins: {
    group: 'Process',
    flag: 'plugin',
    describe: 'File of a plug-in, an ES module (repeatable)',
    type: type.path,
    repeatable: true,
  },
  without: {
    group: 'Process',
    describe: 'Built-in subscriber to leave out (repeatable)',
    type: type.subscriber,
    repeatable: true,
  },
  config: { group: 'Process', describe: 'JSON file with options', type: type.path },
} as const satisfies Record<string, Definition>

type Definitions = typeof definitions
type ValueOf<D> = D extends { type: OptionType<infer Value> } ? Value : never

/** The options as the service takes them: gathered, checked and converted. Durations are milliseconds. */
export type Options = {
  readonly [Name in Exclude<keyof Definitions, 'config'>]: Definitions[Name] extends { repeatable: true }
    ? Definitions[Name] extends { default: string }
      ? readonly [ValueOf<Definitions[Name]>, ...ValueOf<Definitions[Name]>[]]
      : readonly ValueOf<Definitions[Name]>[]
    : Definitions[Name] extends { default: string }
      ? ValueOf<Definitions[Name]>
      : ValueOf<Definitions[Name]> | undefined
} & {
  /** Bearer tokens, one a line. Only ever a variable: anybody on the machine sees flags, and files have an option. */
  readonly authToken: Sensitive | undefined
  /** The region of the environment. It is the SDK's to take; that there is one can be known without it. */
  readonly awsRegion: string | undefined
  /** Base of the task metadata endpoint, where ECS says that there is one. */
  readonly ecsMetadataUri: string | undefined
}

/** One option, by the name that the code has for it and by its flag, without the dashes. */
export interface NamedDefinition {
  readonly name: string
  readonly flag: string
  readonly definition: Definition
}

export const everyOption: readonly NamedDefinition[] = Object.entries<Definition>(definitions).map(
  ([name, definition]) => ({ name, flag: definition.flag ?? kebabCase(name), definition }),
)

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
