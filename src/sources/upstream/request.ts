/** Checks and builds the parts of a request to an upstream API. No message quotes a value that may be secret. */
import type { Call, TraceContext } from '../../bus/call.ts'
import { Sensitive } from '../../secret.ts'

export type UpstreamHeaders = Readonly<Record<string, string | Sensitive>>

export interface UpstreamRequest {
  /** `GET` by default, or `POST` if there is a body. */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Parameters of the query. Those that are undefined are left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** Headers of this request, in addition to those of the client. */
  readonly headers?: UpstreamHeaders
  /** Sent as JSON. */
  readonly body?: unknown
  /**
   * The call on the bus that causes the request: its signal aborts, its deadline bounds, its id is `x-request-id`, its
   * trace is `traceparent`.
   */
  readonly call?: Call | undefined
}

/** @throws TypeError unless the text is the origin of an HTTP or HTTPS URL */
export function checkedOrigin(origin: string): string {
  const url = URL.parse(origin)
  if (!url || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`)
    throw new TypeError('origin must be a scheme, host and port, such as https://api.example.com')
  return url.origin
}

/** @throws RangeError unless the value is a whole number above 0 */
export function checkCount(name: string, value: number): void {
  if (!(Number.isSafeInteger(value) && value > 0))
    throw new RangeError(`${name} must be a whole number above 0, received ${value}`)
}

/** Segments that a URL resolves, so that the path of the request would be another one. */
const dotSegment = /^(\.|%2e){1,2}$/i

/**
 * @throws TypeError unless the path begins with a slash, has neither query nor fragment, and is the path of the URL:
 *   `encodeURIComponent` leaves the segments `.` and `..` as they are
 */
export function urlOf(origin: string, path: string): URL {
  if (typeof path !== 'string' || !/^\/[^?#\\\p{Cc}]*$/u.test(path))
    throw new TypeError('path must begin with / and must not contain ?, #, \\ or control characters')
  if (path.split('/').some((segment) => dotSegment.test(segment)))
    throw new TypeError('path must not contain the segments . and ..')
  return new URL(origin + path)
}

/** The headers of a request. Those of the request override those of the client, and both override the defaults. */
export function headersOf(common: UpstreamHeaders = {}, { headers = {}, body, call }: UpstreamRequest) {
  const defaults = {
    accept: 'application/json',
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(call?.id !== undefined && { 'x-request-id': call.id }),
  }
  const all = [defaults, common, headers].flatMap((given) => Object.entries<string | Sensitive>(given))
  return Object.fromEntries(
    all.map(([name, value]) => [name.toLowerCase(), value instanceof Sensitive ? value.reveal() : value]),
  )
}

/** https://www.w3.org/TR/trace-context/ */
export function traceHeaders(trace: TraceContext | undefined): Record<string, string> {
  if (!trace) return {}
  const { traceId, spanId, flags, state } = trace
  const traceparent = `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`
  return { traceparent, ...(state && { tracestate: state }) }
}
