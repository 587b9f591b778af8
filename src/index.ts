/** The public API of the package. */
// Adds the OpenAPI keywords of route schemas, such as `summary`, to the types of Fastify.
/// <reference types="@fastify/swagger" preserve="true" />
export * from './bus/index.ts'
export * as channels from './channels.ts'
export * from './client.ts'
export { type CacheDirectives, type Freshness, NotCached } from './freshness.ts'
export { clientOf } from './handlers/guards/client-of.ts'
export type { RouteDocumentation } from './handlers/openapi/route-documentation.ts'
export { healthRoutes } from './handlers/routes/health.ts'
export { metricsRoutes } from './handlers/routes/metrics.ts'
export { type HttpServerOptions, httpServer } from './handlers/server/http-server.ts'
export { defaultLimits, type Limits } from './handlers/server/limits.ts'
export { RequestError } from './handlers/server/request-error.ts'
// Adds the configuration of routes, such as `open`, to the types of Fastify.
export type { RouteConfig } from './handlers/server/route-config.ts'
export type { CertificateOptions } from './handlers/server/tls/certificate.ts'
export { callOf } from './handlers/trace-context.ts'
export { type HttpOptions, http } from './http.ts'
export { type Counter, type CounterSeries, counter, type LabeledCounter } from './metrics/counter.ts'
export type { Labels, MetricDefinition } from './metrics/definition.ts'
export {
  type Histogram,
  type HistogramDefinition,
  type HistogramSeries,
  histogram,
  type LabeledHistogram,
} from './metrics/histogram.ts'
export { declaredRights } from './rights.ts'
export {
  type Command,
  defineService,
  type Service,
  type ServiceContext,
  type ServiceDefinition,
  type ServiceOptions,
} from './runtime/define-service.ts'
export { createLogger as logger, type LoggerOptions, type LogSink } from './runtime/logger.ts'
export type { Option, OptionRecord, OptionValues } from './runtime/options/option.ts'
export {
  choice,
  duration,
  file,
  flag,
  host,
  integer,
  lifetime,
  matching,
  type OptionType,
  origin,
  port,
  secret,
  text,
  timeLimit,
  url,
} from './runtime/options/types.ts'
export { readPackage } from './runtime/package.ts'
export type { Plugin, PluginContext } from './runtime/plugins/plugin.ts'
export { run } from './runtime/run.ts'
export * from './secret.ts'
export { type SecretOptions, secrets } from './secrets.ts'
export { type CacheDefinition, type CacheWords, cached } from './sources/cache/cached.ts'
export type { CachePolicy } from './sources/cache/policy.ts'
export { codeNameMatcher } from './sources/clients/pattern.ts'
export type { UpstreamHeaders, UpstreamRequest } from './sources/upstream/request.ts'
export type { UpstreamResponse } from './sources/upstream/response.ts'
export { type Upstream, type UpstreamOptions, upstream } from './sources/upstream/upstream.ts'
