/** How much the server takes from its clients, so that none of them, slow, greedy or hostile, can take it from the others. */
export interface Limits {
  /** Connections that are served at a time, open routes apart. Whoever comes beyond them is told to come again later. */
  readonly connections: number
  /** Connections that are open at a time; what comes beyond them is closed without a word. */
  readonly openConnections: number
  /** Connections that wait to be accepted: many clients may come at once. The kernel has the last word. */
  readonly backlog: number
  /** Requests that are being answered at a time, open routes apart; connections may send several without waiting. */
  readonly requests: number
  /** The head of a request in bytes: its URL, and the names and values of its headers. */
  readonly head: number
  /** The longest name in a URL, in characters: the longest key that DynamoDB takes. */
  readonly parameter: number
  /** The body of a request, in bytes. No route has a use for one. */
  readonly body: number
  /** How long a TLS handshake may take, in milliseconds. */
  readonly handshakeTimeout: number
  /** How long the head of a request may take to come, in milliseconds; for the first, from the opening of the connection. */
  readonly headTimeout: number
  /** How long a request may take to come whole, in milliseconds. */
  readonly requestTimeout: number
  /** How often the two before are looked at, in milliseconds. */
  readonly checkInterval: number
  /** How long a connection may idle between requests, in milliseconds: longer than the 60 s after which a load balancer
   * closes what idles, or it would send into a closing connection. */
  readonly keepAliveTimeout: number
  /** How long nothing may pass on a connection while a reply is under way, in milliseconds. */
  readonly silence: number
  /** How late the event loop may be on average, in milliseconds, before requests are refused. */
  readonly eventLoopDelay: number
}

export const defaultLimits: Limits = {
  connections: 2_000,
  openConnections: 8_000,
  backlog: 4_096,
  requests: 2_000,
  head: 16 * 1024,
  parameter: 2_048,
  body: 16 * 1024,
  handshakeTimeout: 10_000,
  headTimeout: 10_000,
  requestTimeout: 30_000,
  checkInterval: 5_000,
  keepAliveTimeout: 72_000,
  silence: 120_000,
  eventLoopDelay: 1_000,
}
