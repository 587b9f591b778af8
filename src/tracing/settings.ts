/**
 * Reads the variables of the OpenTelemetry specification that apply to traces. An invalid value counts as unset, with a
 * warning. https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
import { longestDelay } from '../bus/call.ts'

const samplerNames = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const

export type SamplerName = (typeof samplerNames)[number]

export interface TracingSettings {
  /** Overrides the name of the service. */
  readonly serviceName: string | undefined
  readonly resourceAttributes: Readonly<Record<string, string>>
  readonly sampler: SamplerName
  /** The part of the traces that the samplers with a ratio keep, from 0 to 1. */
  readonly ratio: number
  readonly exporter: {
    readonly url: string
    readonly headers: Readonly<Record<string, string>>
    readonly timeoutMillis: number
    readonly compression: 'none' | 'gzip'
  }
  /** The times are in milliseconds. */
  readonly batches: {
    readonly scheduledDelayMillis: number
    readonly exportTimeoutMillis: number
    readonly maxQueueSize: number
    readonly maxExportBatchSize: number
  }
}

/**
 * @returns no settings if the variables do not ask for traces, or disable them; and the warnings about the variables,
 *   which quote no value that may be secret
 */
export function tracingSettings(environment: NodeJS.ProcessEnv): {
  readonly settings?: TracingSettings
  readonly warnings: readonly string[]
} {
  const warnings: string[] = []
  const read = reader(environment, warnings)
  if (!isRequested(read)) return { warnings }
  const maxQueueSize = read.number('OTEL_BSP_MAX_QUEUE_SIZE', 2_048, 1)
  const batchSize = read.number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', Math.min(512, maxQueueSize), 1)
  read.choice(['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'], ['http/protobuf'])
  const propagators = read.text('OTEL_PROPAGATORS') ?? 'tracecontext'
  if (!listOf(propagators).includes('tracecontext'))
    warnings.push(`OTEL_PROPAGATORS must contain tracecontext, the only supported propagator; using tracecontext`)
  const [sampler = 'parentbased_always_on'] = [read.choice(['OTEL_TRACES_SAMPLER'], samplerNames)]
  const settings: TracingSettings = {
    serviceName: read.text('OTEL_SERVICE_NAME'),
    resourceAttributes: read.pairs('OTEL_RESOURCE_ATTRIBUTES'),
    sampler,
    ratio: sampler.endsWith('ratio') ? read.ratio('OTEL_TRACES_SAMPLER_ARG', 1) : 1,
    exporter: {
      url: endpoint(read),
      headers: { ...read.pairs('OTEL_EXPORTER_OTLP_HEADERS'), ...read.pairs('OTEL_EXPORTER_OTLP_TRACES_HEADERS') },
      timeoutMillis: read.number(
        'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT',
        read.number('OTEL_EXPORTER_OTLP_TIMEOUT', 10_000, 1),
        1,
      ),
      compression:
        read.choice(['OTEL_EXPORTER_OTLP_TRACES_COMPRESSION', 'OTEL_EXPORTER_OTLP_COMPRESSION'], ['none', 'gzip']) ??
        'none',
    },
    batches: {
      scheduledDelayMillis: read.number('OTEL_BSP_SCHEDULE_DELAY', 5_000, 0),
      exportTimeoutMillis: read.number('OTEL_BSP_EXPORT_TIMEOUT', 30_000, 1),
      maxQueueSize,
      maxExportBatchSize: Math.min(batchSize, maxQueueSize),
    },
  }
  return { settings, warnings }
}

type Reader = ReturnType<typeof reader>

/** Whether the variables ask for traces. Unlike the specification, nothing is exported to the default endpoint unasked. */
function isRequested(read: Reader): boolean {
  if (read.choice(['OTEL_SDK_DISABLED'], ['true', 'false']) === 'true') return false
  const given = read.text('OTEL_TRACES_EXPORTER')
  const exporters = listOf(given ?? '')
  const others = exporters.filter((name) => name !== 'otlp' && name !== 'none')
  if (others.length > 0) read.warn('OTEL_TRACES_EXPORTER', 'otlp or none', given ?? '', 'otlp')
  if (exporters.includes('otlp') || others.length > 0) return true
  if (exporters.includes('none')) return false
  return [endpointOfTraces, endpointOfAll].some((name) => read.text(name) !== undefined)
}

const endpointOfTraces = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'
const endpointOfAll = 'OTEL_EXPORTER_OTLP_ENDPOINT'

/** https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp */
function endpoint(read: Reader): string {
  const ofTraces = read.url(endpointOfTraces)
  if (ofTraces) return ofTraces.href
  const ofAll = read.url(endpointOfAll) ?? new URL('http://localhost:4318')
  ofAll.pathname = `${ofAll.pathname.replace(/\/$/, '')}/v1/traces`
  return ofAll.href
}

function reader(environment: NodeJS.ProcessEnv, warnings: string[]) {
  /** An empty value counts as unset, as the specification demands. */
  const text = (name: string) => environment[name]?.trim() || undefined
  const warn = (name: string, constraint: string, received: string | undefined, used: unknown) => {
    const what = received === undefined ? '' : `, received ${received.slice(0, 100)}`
    warnings.push(`${name} must be ${constraint}${what}; using ${used}`)
  }
  const inRange = (name: string, byDefault: number, constraint: string, isValid: (value: number) => boolean) => {
    const given = text(name)
    if (given === undefined) return byDefault
    const value = /^[\d.]+$/.test(given) ? Number(given) : Number.NaN
    if (isValid(value)) return value
    warn(name, constraint, given, byDefault)
    return byDefault
  }
  return {
    text,
    warn,
    number: (name: string, byDefault: number, min: number) =>
      inRange(name, byDefault, `a whole number from ${min} to ${longestDelay}`, (value) => {
        return Number.isInteger(value) && value >= min && value <= longestDelay
      }),
    ratio: (name: string, byDefault: number) =>
      inRange(name, byDefault, 'a number from 0 to 1', (value) => value >= 0 && value <= 1),

    /** The value of the first variable that is set, in lower case; undefined if it is none of the choices. */
    choice<const Choice extends string>(names: readonly string[], choices: readonly Choice[]): Choice | undefined {
      const name = names.find((candidate) => text(candidate) !== undefined) ?? ''
      const given = text(name)
      const found = choices.find((choice) => choice === given?.toLowerCase())
      if (given !== undefined && found === undefined) warn(name, choices.join(', '), given, 'the default')
      return found
    },

    /** The warning does not quote the URL, which may contain a password. */
    url(name: string): URL | undefined {
      const given = text(name)
      const url = given === undefined ? null : URL.parse(given)
      if (url && /^https?:$/.test(url.protocol)) return url
      if (given !== undefined) warn(name, 'an HTTP or HTTPS URL', undefined, 'the default')
      return undefined
    },

    /** `key=value` pairs separated by commas, with percent-encoding. The warning does not quote them. */
    pairs(name: string): Record<string, string> {
      try {
        const pairs = listOf(text(name) ?? '').map((pair) => {
          const [, key = '', value = ''] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
          if (key === '') throw new TypeError('a pair must contain =')
          return [decodeURIComponent(key.trim()), decodeURIComponent(value.trim())] as const
        })
        return Object.fromEntries(pairs)
      } catch {
        warn(name, 'pairs key=value separated by commas, percent-encoded', undefined, 'none')
        return {}
      }
    },
  }
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}
