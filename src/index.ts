/** The public API of the package. */
// Adds the OpenAPI keywords of route schemas, such as `summary`, to the types of Fastify.
/// <reference types="@fastify/swagger" preserve="true" />
export {
  Bus,
  type Listener,
  type Provider,
  type RequestCall,
  type SubscribeOptions,
  type Unsubscribe,
} from './bus/bus.ts'
export type { Call, CallContext } from './bus/call.ts'
export { type EventChannel, event, type RequestChannel, request } from './bus/channel.ts'
export {
  CallCycle,
  ChannelFailures,
  ChannelOverloaded,
  DuplicateChannel,
  DuplicateProvider,
  Exiting,
  type Failure,
  ListenerTimeout,
  type MissingProvider,
  MissingProviders,
  NoProvider,
  RequestTimeout,
  ShutdownTimeout,
} from './bus/errors.ts'
export type { SettledOutput } from './bus/outcomes.ts'
export {
  type BackgroundLoopOptions,
  type BackgroundRun,
  backgroundLoop,
  type LoopClock,
} from './bus/process/background-loop.ts'
export { type Backoff, type BackoffOptions, backoff } from './bus/process/backoff.ts'
export { type LogLevel, type LogRecord, lifecycle, type State } from './bus/process/lifecycle.ts'
export { log } from './bus/process/log.ts'
export { mandatory, ProcessBus, type Subscriber } from './bus/process/process-bus.ts'
export type { Manifest, ServiceInfo } from './bus/process/service-info.ts'
export { signals } from './bus/process/signals.ts'
export { type SingleFlight, singleFlight } from './bus/process/single-flight.ts'
export type { Activity, Observer } from './bus/taps.ts'
export { type TopologyFormat, topologyFormats } from './bus/topology/formats.ts'
export type { ChannelInfo, Handler, Topology } from './bus/topology/topology.ts'
export * as channels from './channels.ts'
export { type HttpOptions, http } from './handlers/http.ts'
export type { RouteDocumentation } from './handlers/openapi/route-documentation.ts'
export { healthRoutes } from './handlers/routes/health.ts'
export { metricsRoutes } from './handlers/routes/metrics.ts'
export { type HttpServerOptions, httpServer } from './handlers/server/http-server.ts'
export { defaultLimits, type Limits } from './handlers/server/limits.ts'
export { RequestError } from './handlers/server/request-error.ts'
export type { CertificateOptions } from './handlers/server/tls/certificate.ts'
export { type Counter, type CounterSeries, counter, type LabeledCounter } from './metrics/counter.ts'
export type { Labels, MetricDefinition } from './metrics/definition.ts'
export {
  type Histogram,
  type HistogramDefinition,
  type HistogramSeries,
  histogram,
  type LabeledHistogram,
} from './metrics/histogram.ts'
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
export type { UpstreamHeaders, UpstreamRequest } from './sources/upstream/request.ts'
export type { UpstreamResponse } from './sources/upstream/response.ts'
export { type Upstream, type UpstreamOptions, upstream } from './sources/upstream/upstream.ts'
