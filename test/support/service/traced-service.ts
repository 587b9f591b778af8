/** The service in this process, which exports its traces to a receiver. */

import { expect } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { serviceInfo } from '../../../src/bus/process/service-info.ts'
import { startTracing } from '../../../src/tracing/start.ts'
import type { OtlpReceiver } from '../otlp-receiver.ts'
import { assembleService, ownPackage } from './assemble-service.ts'

/** Starts the service with the emulator, and returns it when it is ready. Its spans are exported at once. */
export async function startTracedService(
  { endpoint }: Pick<OtlpReceiver, 'endpoint'>,
  flags: Readonly<Record<string, string>> = {},
  variables: Readonly<Record<string, string>> = {},
  plugins: Readonly<Record<string, Subscriber>> = {},
) {
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: '0', ...variables }
  const { subscriber: tracing, warnings } = await startTracing(serviceInfo(ownPackage), environment)
  const service = await assembleService({ embedded: 'true', ...flags }, environment, { tracing, plugins })
  await service.bus.start()
  const origin = service.origin()
  await expect.poll(async () => (await fetch(`${origin}/ready`)).status).toBe(200)
  return { ...service, origin, warnings }
}
