/** How a call on the bus went, in one word. */
import { codeOf } from '../bus/errors.ts'
import type { Activity } from '../bus/taps.ts'

export type Outcome = 'ok' | 'error' | 'timeout'

export function outcomeOf(activity: Activity): Outcome {
  if (!('error' in activity)) return 'ok'
  const code = codeOf(activity.error)
  return code === 'BUS_REQUEST_TIMEOUT' || code === 'BUS_LISTENER_TIMEOUT' ? 'timeout' : 'error'
}
