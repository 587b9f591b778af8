/** The times of spans, from one clock, so that a span lies within its parent. Each span of the SDK has its own, up to 1 ms apart. */
import type { HrTime } from '@opentelemetry/api'

/** Interval at which the monotonic clock is compared with the system's, in milliseconds. */
const checkEvery = 60_000

let checkedAt = Number.NEGATIVE_INFINITY
/** System time when the monotonic clock was 0, in milliseconds. */
let origin = 0

/** @param at by `performance.now()` */
export function spanTime(at = performance.now()): HrTime {
  const now = performance.now()
  if (now - checkedAt > checkEvery) {
    checkedAt = now
    origin = Date.now() - now
  }
  const ms = origin + at
  const seconds = Math.floor(ms / 1_000)
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)]
}
