/** Exports spans over OTLP/HTTP, and reports an outage of the collector once rather than per batch. */
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'
import type { TracingSettings } from './settings.ts'

export interface ExportObserver {
  /** Called for the first failure after a success. */
  readonly onOutage: (error: Error | undefined) => void
  /** Called for the first success after a failure. */
  readonly onRecovery: () => void
}

export class ObservedExporter implements SpanExporter {
  readonly #exporter: OTLPTraceExporter
  readonly #observer: ExportObserver
  #failing = false

  constructor({ headers, ...settings }: TracingSettings['exporter'], observer: ExportObserver) {
    this.#exporter = new OTLPTraceExporter({ ...settings, headers } as ExporterConfig)
    this.#observer = observer
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.#exporter.export(spans, (result) => {
      const failing = result.code !== ExportResultCode.SUCCESS
      if (failing && !this.#failing) this.#observer.onOutage(result.error)
      if (!failing && this.#failing) this.#observer.onRecovery()
      this.#failing = failing
      done(result)
    })
  }

  forceFlush(): Promise<void> {
    return this.#exporter.forceFlush()
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown()
  }
}

/** The type of `compression` is a const enum of a package that is not a direct dependency. */
type ExporterConfig = ConstructorParameters<typeof OTLPTraceExporter>[0]
