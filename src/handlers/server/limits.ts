/** The maximum use of resources by clients, so that slow or abusive clients cannot starve others. */
export interface Limits {
  /** Connections served concurrently, except on open routes. Requests on further connections get a 503. */
  readonly connections: number
  /** Open connections. Further ones are closed without a response. */
  readonly openConnections: number
  /** Length of the accept queue (listen backlog). The kernel may lower it. */
  readonly backlog: number
  /** Requests handled concurrently, except on open routes. A connection may pipeline several. */
  readonly requests: number
  /**
   * Memory of the requests that a connection pipelines, in bytes: 8 KiB each, and the pending replies. Further requests
   * wait until the client has taken a reply.
   */
  readonly pipelinedBytes: number
  /**
   * Memory of all unanswered requests and pending replies, in bytes. Above it, requests get a 503, except on open
   * routes. Above half of it, connections that pipeline are closed.
   */
  readonly pendingBytes: number
  /** Size of a request head (URL and headers), in bytes. */
  readonly head: number
  /** Length of a path parameter in characters; the default is the longest key in DynamoDB. */
  readonly parameter: number
  /** Size of a request body in bytes. No built-in route uses one. */
  readonly body: number
  /** Time limit of a TLS handshake, in milliseconds. */
  readonly handshakeTimeout: number
  /** Time limit for receiving a request head, in milliseconds. The first counts from the opening of the connection. */
  readonly headTimeout: number
  /** Time limit for receiving a whole request, in milliseconds. */
  readonly requestTimeout: number
  /** Interval between checks of `headTimeout`, `requestTimeout` and `inactivityTimeout`, in milliseconds. */
  readonly checkInterval: number
  /**
   * Time that a connection may be idle between requests, in milliseconds. It must exceed the idle timeout of the load
   * balancer, often 60 s, which would otherwise send requests on connections that are closing.
   */
  readonly keepAliveTimeout: number
  /** Time without traffic on a connection with a pending response, in milliseconds. */
  readonly inactivityTimeout: number
  /** Time in which a client takes nothing of a pending response, in milliseconds. Its connection is then closed. */
  readonly unreadTimeout: number
  /** Event loop delay above which requests are rejected, in milliseconds. */
  readonly eventLoopDelay: number
}

export const defaultLimits: Limits = {
  connections: 2_000,
  openConnections: 8_000,
  backlog: 4_096,
  requests: 2_000,
  pipelinedBytes: 64 * 1024,
  pendingBytes: 64 * 1024 * 1024,
  head: 16 * 1024,
  parameter: 2_048,
  body: 16 * 1024,
  handshakeTimeout: 10_000,
  headTimeout: 10_000,
  requestTimeout: 30_000,
  checkInterval: 5_000,
  keepAliveTimeout: 72_000,
  inactivityTimeout: 120_000,
  unreadTimeout: 30_000,
  eventLoopDelay: 1_000,
}
