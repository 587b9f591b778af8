/** An HTTP client for JSON APIs that a source or provider calls. Its failures are those of a source. */
import type { Dispatcher } from 'undici'
import { checkDuration } from '../../bus/call.ts'
import { diagnostics, type UpstreamExchange } from '../../diagnostics.ts'
import { withinLimits } from './limits.ts'
import {
  checkCount,
  checkedOrigin,
  headersOf,
  traceHeaders,
  type UpstreamHeaders,
  type UpstreamRequest,
  urlOf,
} from './request.ts'
import { read, type UpstreamResponse } from './response.ts'

export interface UpstreamOptions {
  /** Scheme, host and port, such as `https://api.example.com`. */
  readonly origin: string
  /** Time limit of a request in milliseconds, from the call to the end of the response; 5 s by default. */
  readonly timeout?: number
  /** Maximum number of connections, and so of concurrent requests; 50 by default. Further requests wait. */
  readonly connections?: number
  /** Headers of every request. */
  readonly headers?: UpstreamHeaders
  /** Maximum size of a response body in bytes; 1 MiB by default. */
  readonly maxBytes?: number
}

export interface Upstream {
  /**
   * Sends a request. Redirects are not followed.
   * @param path begins with `/` and has no query. Variable parts must be encoded with `encodeURIComponent`
   * @throws SourceFailure, with the `status` of the response if there is one:
   *   - `SOURCE_THROTTLED` for 429 and 503, with `retryAfter` in milliseconds if the response has it
   *   - `SOURCE_REFUSED` for other 4xx, such as 401 or 404
   *   - `SOURCE_TIMEOUT` if the response is not complete in time, and for 408
   *   - `SOURCE_UNAVAILABLE` for everything else: network errors, other statuses, invalid JSON, a body above `maxBytes`
   * @throws the reason of the call's signal if it aborts; TypeError if the path is invalid
   */
  request(path: string, request?: UpstreamRequest): Promise<UpstreamResponse>
  /** Waits for the requests in progress and closes the connections. A later request opens new ones. */
  close(): Promise<void>
}

/**
 * Creates a client. It opens connections, and loads its HTTP library, at the first request.
 * @throws TypeError or RangeError if an option is invalid
 */
export function upstream(options: UpstreamOptions): Upstream {
  const { timeout = 5_000, maxBytes = 1024 * 1024, connections = 50 } = options
  const origin = checkedOrigin(options.origin)
  checkDuration(timeout)
  checkCount('connections', connections)
  checkCount('maxBytes', maxBytes)
  let opened: Promise<Dispatcher> | undefined

  const open = async (): Promise<Dispatcher> => {
    const { Pool } = await import('undici')
    // The limits of undici are coarse, so each request has a timer of its own.
    const limits = { headersTimeout: 0, bodyTimeout: 0, maxResponseSize: maxBytes }
    return new Pool(origin, { connections, ...limits, connect: { timeout: Math.min(timeout, 10_000) } })
  }

  return {
    async request(path, request = {}) {
      const url = urlOf(origin, path)
      const target = new URL(url) // the query is added below
      const { method = request.body === undefined ? 'GET' : 'POST', query = {}, call } = request
      const name = `${method} ${url.href}` // without the query, which may be secret
      for (const [key, value] of Object.entries(query))
        if (value !== undefined) url.searchParams.append(key, String(value))
      const body = request.body === undefined ? null : JSON.stringify(request.body)
      const given = headersOf(options.headers, request)
      const exchange: UpstreamExchange = { method, url: target, call, trace: call?.trace }
      diagnostics.upstreamExchange.start(exchange)
      const headers = { ...traceHeaders(exchange.trace), ...given }
      const sent = { path: url.pathname + url.search, method, body }
      return withinLimits(name, timeout, call, async (signal) => {
        opened ??= open()
        const dispatcher = await opened
        const response = await dispatcher.request({ ...sent, headers, signal })
        exchange.status = response.statusCode
        return read(name, method, response)
      }).then(
        (response) => {
          diagnostics.upstreamExchange.end(exchange)
          return response
        },
        (error: unknown) => {
          diagnostics.upstreamExchange.end(exchange, error)
          throw error
        },
      )
    },

    async close() {
      const closing = opened
      opened = undefined
      await (await closing)?.close()
    },
  }
}
