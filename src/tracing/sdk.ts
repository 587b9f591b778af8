/** Sets up the OpenTelemetry SDK, and registers it for all copies of `@opentelemetry/api` in this process. */
import { context, type DiagLogger, DiagLogLevel, diag, propagation, type Tracer, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { ServiceInfo } from '../bus/process/service-info.ts'
import { type ExportObserver, ObservedExporter } from './exporter.ts'
import type { TracingSettings } from './settings.ts'

export interface Sdk {
  readonly tracer: Tracer
  /** Exports the spans that are left. Settles after `ms` milliseconds at the latest, and never rejects. */
  shutdown(ms: number): Promise<void>
}

/** @param log receives what the SDK reports about itself */
export function startSdk(
  { name, version }: ServiceInfo,
  { serviceName, resourceAttributes, exporter, batches, ...sampling }: TracingSettings,
  observer: ExportObserver,
  log: (message: string) => void,
): Sdk {
  const resource = defaultResource()
    .merge(resourceFromAttributes({ 'service.name': name, 'service.version': version, ...resourceAttributes }))
    .merge(resourceFromAttributes(serviceName === undefined ? {} : { 'service.name': serviceName }))
  const processor = new BatchSpanProcessor({ ...batches, exporter: new ObservedExporter(exporter, observer) })
  const provider = new TracerProvider({ resource, sampler: samplerOf(sampling), spanProcessors: [processor] })
  // The exporter reads the variables as well. Its warnings, which quote values, precede this logger.
  diag.setLogger(diagLogger(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
  trace.setGlobalTracerProvider(provider)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())

  return {
    tracer: provider.getTracer('secret-bus', version),
    async shutdown(ms) {
      const flushed = provider.shutdown().catch(() => {}) // reported by the exporter
      await Promise.race([flushed, new Promise((resolve) => setTimeout(resolve, ms).unref())])
      for (const api of [trace, context, propagation, diag]) api.disable()
    },
  }
}

function samplerOf({ sampler, ratio }: Pick<TracingSettings, 'sampler' | 'ratio'>): Sampler {
  const kind = sampler.replace('parentbased_', '')
  const root = rootSampler(kind, ratio)
  return kind === sampler ? root : new ParentBasedSampler({ root })
}

function rootSampler(kind: string, ratio: number): Sampler {
  if (kind === 'always_on') return new AlwaysOnSampler()
  return kind === 'always_off' ? new AlwaysOffSampler() : new TraceIdRatioBasedSampler(ratio)
}

function diagLogger(log: (message: string) => void): DiagLogger {
  const report = (message: string) => log(message.slice(0, 1_000))
  return { error: report, warn: report, info: report, debug: report, verbose: report }
}
