/** Parses the headers of W3C Trace Context: https://www.w3.org/TR/trace-context/ */
import type { IncomingHttpHeaders } from 'node:http'
import type { TraceContext } from '../bus/call.ts'

/** The four fields of version 00, and what a later version may add after another dash. */
const format =
  /^(?<version>[\da-f]{2})-(?<traceId>[\da-f]{32})-(?<spanId>[\da-f]{16})-(?<flags>[\da-f]{2})(?<more>-.*)?$/

const allZero = /^0+$/

/** Longer values may be discarded: https://www.w3.org/TR/trace-context/#tracestate-limits */
const maxState = 512

/** Returns undefined if `traceparent` is absent, invalid or repeated; then `tracestate` must be ignored as well. */
export function traceContext({ traceparent, tracestate }: IncomingHttpHeaders): TraceContext | undefined {
  if (typeof traceparent !== 'string') return undefined
  const { version, traceId = '', spanId = '', flags = '', more } = format.exec(traceparent)?.groups ?? {}
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (allZero.test(traceId) || allZero.test(spanId)) return undefined
  // Node.js joins repeated headers, as the specification of `tracestate` demands.
  const state = typeof tracestate === 'string' && tracestate.length <= maxState ? tracestate : undefined
  return { traceId, spanId, flags: Number.parseInt(flags, 16), state }
}
