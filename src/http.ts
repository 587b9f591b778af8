/** The HTTP part of a service: options, commands and subscribers to spread into its definition. Nothing here is about secrets. */
import type { Subscriber } from './bus/process/process-bus.ts'
import type { Command, ServiceOptions } from './runtime/define-service.ts'
import type { OptionRecord } from './runtime/options/option.ts'
import { choice } from './runtime/options/types.ts'
import type { SecretOptions } from './secrets.ts'

const options = {
  host: { group: 'HTTP', describe: 'Address to listen on', type: 'host', default: '127.0.0.1' },
  port: { group: 'HTTP', describe: 'Port to listen on; 0 picks a free port', type: 'port', default: '5000' },
  trustProxy: { group: 'HTTP', describe: 'Take the client address from X-Forwarded-For', type: 'flag' },
  authTokenFile: {
    group: 'HTTP',
    describe: 'File with bearer tokens, one per line, each of which may do everything',
    type: 'file',
    excludes: ['authToken', 'clientsFile', 'clients'],
  },
  authToken: {
    group: 'HTTP',
    describe: 'Bearer tokens, one per line, instead of --auth-token-file',
    type: 'secret',
    excludes: ['clientsFile', 'clients'],
  },
  clientsFile: {
    group: 'HTTP',
    describe: 'JSON file with the clients, their tokens and their rights',
    type: 'file',
    flag: 'clients',
    variable: '_CLIENTS_FILE',
    excludes: 'clients',
  },
  clients: {
    group: 'HTTP',
    describe: 'JSON document of the clients, instead of --clients',
    type: 'secret',
    flag: 'clients-document', // the flag is that of the file
    variable: '_CLIENTS',
  },
  allowAnonymous: { group: 'HTTP', describe: 'Listen beyond loopback without authentication', type: 'flag' },
  tlsCert: {
    group: 'HTTP',
    describe: 'PEM file with the TLS certificate chain; enables HTTPS',
    type: 'file',
    needs: 'tlsKey',
  },
  tlsKey: {
    group: 'HTTP',
    describe: 'PEM file with the private key of the certificate',
    type: 'file',
    needs: 'tlsCert',
  },
  tlsKeyPassphraseFile: {
    group: 'HTTP',
    describe: 'File with the passphrase of an encrypted private key',
    type: 'file',
    needs: 'tlsKey',
  },
  tlsClientCa: {
    group: 'HTTP',
    describe: 'PEM file with the CA certificates of clients; enables client certificates',
    type: 'file',
    needs: 'tlsCert',
  },
  tlsClientAuth: {
    group: 'HTTP',
    describe: 'Whether a client certificate is required or optional',
    type: choice(['required', 'optional']),
    default: 'required',
    needs: 'tlsClientCa',
  },
  tlsClientCrl: {
    group: 'HTTP',
    describe: 'PEM file with a CRL of each client CA, the list of revoked certificates',
    type: 'file',
    needs: 'tlsClientCa',
  },
  watchFiles: {
    group: 'HTTP',
    describe: 'Interval for refreshing changed token, client and TLS files; 0 disables it',
    type: 'duration',
    default: '10s',
  },
  keepAliveTimeout: {
    group: 'HTTP',
    describe: 'Time to keep an idle connection open; longer than that of the load balancer',
    type: 'time-limit',
    default: '72s',
  },
  accessLog: { group: 'HTTP', describe: 'Log one line per request', type: 'flag' },
  inspector: { group: 'HTTP', describe: 'Serve the bus inspector at /-/bus', type: 'flag' },
  container: {
    group: 'HTTP',
    describe: 'Image link in /health [default: from ECS or package.json]',
    type: 'text',
  },
  project: { group: 'HTTP', describe: 'Repository link in /health [default: from package.json]', type: 'text' },
  ecsMetadataUri: {
    group: 'HTTP',
    describe: 'Task metadata endpoint, version 4; set by ECS',
    type: 'text',
    flag: false,
    variable: 'ECS_CONTAINER_METADATA_URI_V4',
  },
} as const satisfies OptionRecord

const commands = {
  token: {
    describe: 'Create a bearer token, and its hash for the document of clients',
    async run(_args: readonly string[], process: NodeJS.Process) {
      const { newToken } = await import('./runtime/cli/new-token.ts')
      return newToken(process)
    },
  },
} satisfies Record<string, Command>

export type HttpOptions = ServiceOptions<typeof options>

/** The options of `secrets` that concern clients. A service without secrets has none of them. */
export type ClientSecretOptions = Partial<
  Pick<SecretOptions, 'clientsSecret' | 'codeNames' | 'privateCodeNames' | 'cacheTtl' | 'maxStale'>
>

export const http = {
  options,
  /** The command `token`. */
  commands,
  /**
   * The HTTP server with health, readiness, metrics, the OpenAPI document, authentication and limits. They may be listed
   * in any order with other subscribers: the server listens after all `start` listeners of usual priority, and its
   * checks apply to every route.
   */
  async subscribers(options: HttpOptions & ClientSecretOptions): Promise<Record<string, Subscriber>> {
    // Imported on demand, because most commands need no server.
    const { httpSubscribers } = await import('./http-subscribers.ts')
    return httpSubscribers(options)
  },
}
