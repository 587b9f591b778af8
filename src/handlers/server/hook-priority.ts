/**
 * The priorities at which the HTTP server's own subscribers add their hooks to `http.routes`. Except for the last, they are
 * lower than that of routes, 50, so that the hooks apply to every route, regardless of the order in which a service lists
 * its subscribers.
 */
export const hookPriority = {
  /** Sees the routes that are added after it. */
  documentation: 0,
  /** Before those whose work is part of the span. */
  tracing: 5,
  /** Before the hooks that log or make calls. */
  traceContext: 10,
  /** Before the hooks that reject requests, so that rejected requests are counted. */
  metrics: 20,
  loadShedding: 25,
  clientCertificates: 28,
  authentication: 30,
  /** After the routes of plugins, which may serve the same path. */
  startPage: 1_000,
} as const
