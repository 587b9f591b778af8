/** The audit trail: a line of the log for each access to a secret, never with its value. */
import type { Subscriber } from '../bus/process/process-bus.ts'
import { secretAccessed } from '../channels.ts'

export const auditTrail = (): Subscriber => (bus) => {
  bus.subscribe(secretAccessed, (access) => bus.log('info', 'Secret accessed', access))
}
