/** The subscriber that exports traces with OpenTelemetry. */
import { messageOf } from '../bus/errors.ts'
import { lifecycle } from '../bus/process/lifecycle.ts'
import type { ProcessBus, Subscriber } from '../bus/process/process-bus.ts'
import type { ServiceInfo } from '../bus/process/service-info.ts'
import { httpRoutes } from '../channels.ts'
import { hookPriority } from '../handlers/server/hook-priority.ts'
import { Calls } from './calls.ts'
import { Inside } from './inside.ts'
import { traceRequests } from './requests.ts'
import { startSdk } from './sdk.ts'
import type { TracingSettings } from './settings.ts'

/** Time for the last export, in milliseconds. A collector that does not answer must not delay the exit. */
const flushTimeout = 1_000

/**
 * Registers the SDK for this process, and returns the subscriber. List it first: it is stopped last, after what makes
 * spans.
 */
export function tracing(service: ServiceInfo, settings: TracingSettings): Subscriber {
  let bus: ProcessBus | undefined
  const sdk = startSdk(
    service,
    settings,
    {
      onOutage: (error) => bus?.log('warn', `Failed to export spans: ${error ? messageOf(error) : 'unknown error'}`),
      onRecovery: () => bus?.log('info', 'Recovered: exported spans'),
    },
    (message) => bus?.log('debug', `OpenTelemetry: ${message}`),
  )
  const inside = new Inside(sdk.tracer)
  const calls = new Calls(sdk.tracer, (call, span) => inside.onCall(call.trace, span))

  return (own) => {
    bus = own
    bus.intercept(calls.interceptor)
    const unsubscribe = inside.subscribe(calls)
    bus.subscribe(httpRoutes, (app) => traceRequests(app, sdk.tracer), { priority: hookPriority.tracing })
    bus.subscribe(lifecycle.exit, async () => {
      await sdk.shutdown(flushTimeout)
      unsubscribe()
    })
  }
}
