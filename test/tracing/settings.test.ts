import { describe, expect, test } from 'vitest'
import { tracingSettings } from '../../src/tracing/settings.ts'

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }
const settings = (variables: Record<string, string>) => tracingSettings({ ...endpoint, ...variables }).settings
const warnings = (variables: Record<string, string>) => tracingSettings({ ...endpoint, ...variables }).warnings

describe('traces are exported', () => {
  test.for<[Record<string, string>, string | undefined]>([
    [{}, undefined],
    [{ OTEL_SERVICE_NAME: 'x' }, undefined],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, undefined],
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, 'http://localhost:4318/v1/traces'],
    [{ OTEL_TRACES_EXPORTER: 'none, otlp' }, 'http://localhost:4318/v1/traces'],
    [endpoint, 'http://collector:4318/v1/traces'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector/otlp/' }, 'https://collector/otlp/v1/traces'],
    [{ ...endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces/x' }, 'http://traces/x'],
    [{ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }, undefined],
    [{ ...endpoint, OTEL_SDK_DISABLED: 'TRUE' }, undefined],
    [{ ...endpoint, OTEL_SDK_DISABLED: 'false' }, 'http://collector:4318/v1/traces'],
  ])('with %o to %s', ([variables, url]) => {
    const result = tracingSettings(variables)
    expect(result.settings?.exporter.url).toBe(url)
    expect(result.warnings).toEqual([])
  })
})

describe('the variables', () => {
  test('have the defaults of the specification', () => {
    expect(settings({})).toEqual({
      serviceName: undefined,
      resourceAttributes: {},
      sampler: 'parentbased_always_on',
      ratio: 1,
      exporter: { url: 'http://collector:4318/v1/traces', headers: {}, timeoutMillis: 10_000, compression: 'none' },
      batches: {
        scheduledDelayMillis: 5_000,
        exportTimeoutMillis: 30_000,
        maxQueueSize: 2_048,
        maxExportBatchSize: 512,
      },
    })
  })

  test('are used', () => {
    const used = settings({
      OTEL_SERVICE_NAME: 'orders',
      OTEL_RESOURCE_ATTRIBUTES: 'a=1, b=x%20y',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
      OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=2',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'b=3%2C',
      OTEL_EXPORTER_OTLP_TIMEOUT: '1',
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '2',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_BSP_SCHEDULE_DELAY: '0',
      OTEL_BSP_EXPORT_TIMEOUT: '3',
      OTEL_BSP_MAX_QUEUE_SIZE: '100',
      OTEL_PROPAGATORS: 'tracecontext,baggage',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    })
    expect(used).toMatchObject({
      serviceName: 'orders',
      resourceAttributes: { a: '1', b: 'x y' },
      sampler: 'parentbased_traceidratio',
      ratio: 0.25,
      exporter: { headers: { a: '1', b: '3,' }, timeoutMillis: 2, compression: 'gzip' },
      batches: { scheduledDelayMillis: 0, exportTimeoutMillis: 3, maxQueueSize: 100, maxExportBatchSize: 100 },
    })
  })

  test.for([
    ['OTEL_TRACES_SAMPLER', 'xray', /always_on, .*, received xray; using the default/],
    ['OTEL_TRACES_EXPORTER', 'zipkin', /must be otlp or none, received zipkin; using otlp/],
    ['OTEL_SDK_DISABLED', 'yes', /must be true, false, received yes/],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', /must be http\/protobuf, received grpc/],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', '0', /must be a whole number from 1 to 2147483647, received 0; using 10000/],
    ['OTEL_BSP_SCHEDULE_DELAY', '1e9', /whole number from 0/],
    ['OTEL_BSP_MAX_QUEUE_SIZE', '-1', /using 2048/],
    ['OTEL_PROPAGATORS', 'b3', /must contain tracecontext/],
  ] as const)('%s=%s counts as unset, with a warning', ([name, value, warning]) => {
    expect(warnings({ [name]: value })).toEqual([expect.stringMatching(warning)])
    expect(settings({ [name]: value })).toEqual(settings({}))
  })

  test('of the ratio must be from 0 to 1', () => {
    const variables = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' }
    expect(settings(variables)?.ratio).toBe(1)
    expect(warnings(variables)).toEqual(['OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1, received 2; using 1'])
  })

  test.for([
    ['OTEL_EXPORTER_OTLP_HEADERS', 'authorization'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=%hidden'],
    ['OTEL_RESOURCE_ATTRIBUTES', '=hidden'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'ftp://user:hidden@host'],
  ] as const)('%s=%s is invalid, and not quoted', ([name, value]) => {
    const found = warnings({ [name]: value })
    expect(found).toEqual([expect.stringContaining(`${name} must be`)])
    expect(found.join()).not.toMatch(/hidden|authorization/)
  })
})
