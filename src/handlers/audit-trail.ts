/** The audit trail: logs every access to a secret, without the value. */
import type { Subscriber } from '../bus/process/process-bus.ts'
import { secretAccessed } from '../channels.ts'

export const auditTrail = (): Subscriber => (bus) => {
  bus.subscribe(secretAccessed, (access, { trace }) =>
    bus.log('info', 'Secret accessed', { ...access, trace_id: trace?.traceId }),
  )
}
