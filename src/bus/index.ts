/** The public API of the bus, published as `@secret-bus/bus`. */
export {
  Bus,
  type Listener,
  type Provider,
  type RequestCall,
  type SubscribeOptions,
  type Unsubscribe,
} from './bus.ts'
export type { Call, CallContext, InterceptedCall, TraceContext } from './call.ts'
export { type EventChannel, event, type RequestChannel, request } from './channel.ts'
export {
  CallCycle,
  ChannelFailures,
  ChannelOverloaded,
  codeOf,
  DuplicateChannel,
  DuplicateProvider,
  Exiting,
  type Failure,
  ListenerTimeout,
  type MissingProvider,
  MissingProviders,
  messageOf,
  NoProvider,
  RequestTimeout,
  ShutdownTimeout,
} from './errors.ts'
export type { Interceptor } from './interceptors.ts'
export type { SettledOutput } from './outcomes.ts'
export {
  type BackgroundLoopOptions,
  type BackgroundRun,
  backgroundLoop,
  type LoopClock,
} from './process/background-loop.ts'
export { type Backoff, type BackoffOptions, backoff } from './process/backoff.ts'
export { type LogLevel, type LogRecord, lifecycle, type State } from './process/lifecycle.ts'
export { type Limiter, limiter } from './process/limiter.ts'
export { type Logger, log } from './process/log.ts'
export { mandatory, ProcessBus, type Subscriber } from './process/process-bus.ts'
export type { Manifest, ServiceInfo } from './process/service-info.ts'
export { type SignalOptions, type SignalSource, signals } from './process/signals.ts'
export { type SingleFlight, singleFlight } from './process/single-flight.ts'
export type { Activity, Observer } from './taps.ts'
export { type TopologyFormat, topologyFormats } from './topology/formats.ts'
export type { ChannelInfo, Handler, Topology } from './topology/topology.ts'
