/** Parses the headers of W3C Trace Context: https://www.w3.org/TR/trace-context/ */
import type { IncomingHttpHeaders } from 'node:http'
import type { TraceContext } from '../bus/call.ts'

/**
 * The four fields of version 00, and what a later version may add after another dash. Version ff and ids of zeros are
 * invalid.
 */
const format = /^(?!ff|00-.{53})[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-.*)?$/

/** Longer values may be discarded: https://www.w3.org/TR/trace-context/#tracestate-limits */
const maxState = 512

/** Returns undefined if `traceparent` is absent, invalid or repeated; then `tracestate` must be ignored as well. */
export function traceContext({ traceparent, tracestate }: IncomingHttpHeaders): TraceContext | undefined {
  if (typeof traceparent !== 'string' || !format.test(traceparent)) return undefined
  // Node.js joins repeated headers, as the specification of `tracestate` demands.
  const state = typeof tracestate === 'string' && tracestate.length <= maxState ? tracestate : undefined
  return {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    flags: Number.parseInt(traceparent.slice(53, 55), 16),
    state,
  }
}
