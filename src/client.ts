/** Types shared by the provider that identifies clients and the routes that decide what a client may do. */
import type { Sensitive } from './secret.ts'

/**
 * The rights by name. A plugin adds its own by declaration merging:
 * `declare module 'secret-bus' { interface Rights { orders: true } }`.
 */
export interface Rights {
  /** Read the secrets in the client's scope. */
  secrets: true
  /** Scrape the metrics. */
  metrics: true
  /** Reload the service. */
  reload: true
  /** Read the API documentation. */
  docs: true
  /** Watch the bus in a browser. */
  inspector: true
}

/** What a route may need and a client may have. */
export type Right = keyof Rights

/** What a request presents. At least one member is present. */
export interface Credentials {
  /** The bearer token. */
  readonly token?: Sensitive | undefined
  /** The identities of the verified client certificate: SAN URIs, DNS names, and the common name of the subject. */
  readonly certificate?: readonly string[] | undefined
}

/** An identified client. */
export interface Client {
  /** The unique name. It becomes a label of metrics, so it must come from the configuration. */
  readonly name: string
  /** The client's rights. */
  readonly may: ReadonlySet<Right>
  /** Whether the secret is in the client's scope. */
  mayRead(codeName: string): boolean
  /** The maximum rate in requests per second; unlimited if undefined. */
  readonly rate?: number | undefined
  /** The first 8 hexadecimal digits of the SHA-256 hash of the token that matched; undefined for a certificate. */
  readonly token?: string | undefined
}
