/** Definitions of the options: group and text in the help, type, default and flag. */
import type { Sensitive } from '../../secret.ts'
import type { AwsProxy } from './proxy.ts'
import type { OptionType } from './types.ts'
import * as type from './types.ts'

export interface Definition<Value = unknown> {
  /** Heading in the help. */
  readonly group: string
  readonly describe: string
  readonly type: OptionType<Value>
  /** As written on the command line. */
  readonly default?: string
  /** The option can be given several times; its value is a list. */
  readonly repeatable?: true
  /** Without leading dashes; by default the property name in kebab case. */
  readonly flag?: string
}

export const definitions = {
  host: { group: 'HTTP', describe: 'Address to listen on', type: type.host, default: '127.0.0.1' },
  port: { group: 'HTTP', describe: 'Port to listen on; 0 picks a free port', type: type.port, default: '5000' },
  trustProxy: {
    group: 'HTTP',
    describe: 'Take the client address from X-Forwarded-For',
    type: type.flag,
    default: 'false',
  },
  authTokenFile: {
    group: 'HTTP',
    describe: 'File with bearer tokens, one per line; or set SECRET_BUS_AUTH_TOKEN',
    type: type.path,
  },
  allowAnonymous: {
    group: 'HTTP',
    describe: 'Listen beyond loopback without authentication',
    type: type.flag,
    default: 'false',
  },
  tlsCert: { group: 'HTTP', describe: 'PEM file with the TLS certificate chain; enables HTTPS', type: type.path },
  tlsKey: { group: 'HTTP', describe: 'PEM file with the private key of the certificate', type: type.path },
  tlsKeyPassphraseFile: {
    group: 'HTTP',
    describe: 'File with the passphrase of an encrypted private key',
    type: type.path,
  },
  keepAliveTimeout: {
    group: 'HTTP',
    describe: 'Time to keep an idle connection open; longer than that of the load balancer',
    type: type.timeLimit,
    default: '72s',
  },
  inspector: {
    group: 'HTTP',
    describe: 'Serve the bus inspector at /-/bus',
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
  table: { group: 'DynamoDB', describe: 'DynamoDB table', type: type.table, default: 'devops-challenge' },
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
  region: { group: 'DynamoDB', describe: 'AWS region [default: from the AWS SDK]', type: type.region },
  dynamodbEndpoint: {
    group: 'DynamoDB',
    describe: 'DynamoDB endpoint URL [default: from the AWS SDK]',
    type: type.httpUrl,
  },
  consistentRead: { group: 'DynamoDB', describe: 'Use strongly consistent reads', type: type.flag, default: 'false' },
  connectTimeout: {
    group: 'DynamoDB',
    describe: 'Connection timeout',
    type: type.timeLimit,
    default: '1s',
  },
  requestTimeout: {
    group: 'DynamoDB',
    describe: 'Inactivity timeout per attempt',
    type: type.timeLimit,
    default: '2s',
  },
  maxAttempts: { group: 'DynamoDB', describe: 'Attempts per read, 1 to 10', type: type.integer(1, 10), default: '3' },
  fetchTimeout: {
    group: 'DynamoDB',
    describe: 'Total timeout per read, including retries',
    type: type.timeLimit,
    default: '5s',
  },
  embedded: {
    group: 'DynamoDB',
    describe: 'Run an in-process DynamoDB emulator (dynalite) with sample secrets',
    type: type.flag,
    default: 'false',
  },
  cacheTtl: {
    group: 'Cache',
    describe: 'Cache TTL, ±10% jitter; 0 disables caching',
    type: type.lifetime,
    default: 'forever',
  },
  maxStale: {
    group: 'Cache',
    describe: 'Time to serve a stale secret while refreshing fails',
    type: type.lifetime,
    default: '1h',
  },
  negativeTtl: {
    group: 'Cache',
    describe: 'Cache TTL of a missing secret',
    type: type.duration,
    default: '2s',
  },
  drain: {
    group: 'Process',
    describe: 'Time to keep serving after a shutdown signal',
    type: type.duration,
    default: '0s',
  },
  shutdownTimeout: {
    group: 'Process',
    describe: 'Time limit of the shutdown after draining',
    type: type.timeLimit,
    default: '10s',
  },
  reloadTimeout: {
    group: 'Process',
    describe: 'Time limit of each subscriber during a reload',
    type: type.timeLimit,
    default: '30s',
  },
  container: {
    group: 'Process',
    describe: 'Image link in /health [default: from ECS or package.json]',
    type: type.link,
  },
  project: { group: 'Process', describe: 'Repository link in /health [default: from package.json]', type: type.link },
  logLevel: {
    group: 'Logs',
    describe: 'Minimum log level: trace, debug, info, warn, error, fatal, or silent',
    type: type.logLevel,
    default: 'info',
  },
  logFormat: {
    group: 'Logs',
    describe: 'Log format: json, pretty, or auto (pretty on a terminal)',
    type: type.logFormat,
    default: 'auto',
  },
  logWhenFull: {
    group: 'Logs',
    describe: 'If stdout is not read: drop lines beyond 8 MiB, or block the process',
    type: type.logWhenFull,
    default: 'drop',
  },
  plugins: {
    group: 'Process',
    flag: 'plugin',
    describe: 'Plugin file, an ES module (repeatable)',
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

/** The validated and converted options. Durations are milliseconds. */
export type Options = {
  readonly [Name in Exclude<keyof Definitions, 'config'>]: Definitions[Name] extends { repeatable: true }
    ? Definitions[Name] extends { default: string }
      ? readonly [ValueOf<Definitions[Name]>, ...ValueOf<Definitions[Name]>[]]
      : readonly ValueOf<Definitions[Name]>[]
    : Definitions[Name] extends { default: string }
      ? ValueOf<Definitions[Name]>
      : ValueOf<Definitions[Name]> | undefined
} & {
  /** Bearer tokens, one per line. Not a flag, because other users of the host can see the command line. */
  readonly authToken: Sensitive | undefined
  /** Base URL of the task metadata endpoint, which ECS sets. */
  readonly ecsMetadataUri: string | undefined
  /** The proxy for calls to AWS. */
  readonly proxy: AwsProxy | undefined
  /** `AWS_CA_BUNDLE`: PEM file with certificate authorities to trust in calls to AWS, in addition to the default ones. */
  readonly caBundle: string | undefined
}

/** An option with its property name and its flag, without leading dashes. */
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
