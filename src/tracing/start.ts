/** Starts tracing if the standard variables ask for it. */
import type { Subscriber } from '../bus/process/process-bus.ts'
import type { ServiceInfo } from '../bus/process/service-info.ts'
import { tracingSettings } from './settings.ts'

export interface Tracing {
  /** Absent if the variables do not ask for traces. */
  readonly subscriber?: Subscriber
  /** About the variables. */
  readonly warnings: readonly string[]
}

/** Registers the SDK for the whole process. Call it before plugins are imported, because they may use it as they load. */
export async function startTracing(service: ServiceInfo, environment: NodeJS.ProcessEnv): Promise<Tracing> {
  const { settings, warnings } = tracingSettings(environment)
  if (!settings) return { warnings }
  const { tracing } = await import('./tracing.ts') // loads the SDK
  return { subscriber: tracing(service, settings), warnings }
}
