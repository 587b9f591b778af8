/** What a program imports that builds on the bus, or on this service. */
// With it go the words that schemas of routes may have, such as `summary`.
/// <reference types="@fastify/swagger" preserve="true" />
export {
  Bus,
  type Listener,
  type Provider,
  type RequestCall,
  type SubscribeOptions,
  type Unsubscribe,
} from './bus/bus.ts'
export type { Call, HandedCall } from './bus/call.ts'
export { type EventChannel, event, type RequestChannel, request } from './bus/channel.ts'
export {
  ChannelFailures,
  DuplicateChannel,
  DuplicateProvider,
  Exiting,
  type Failure,
  ListenerTimeout,
  type Need,
  NoProvider,
  RequestTimeout,
  ShutdownTimeout,
  UnmetNeeds,
} from './bus/errors.ts'
export { type LogLevel, type LogRecord, lifecycle, type State } from './bus/lifecycle.ts'
export { log } from './bus/log.ts'
export { ProcessBus, type Subscriber } from './bus/process-bus.ts'
export { signals } from './bus/signals.ts'
export type { Activity, Observer } from './bus/taps.ts'
export type { Hearer, Topology, Wired } from './bus/topology.ts'
export { type TopologyFormat, topologyFormats } from './bus/topology-formats.ts'
export * as channels from './channels.ts'
export { FaultyRequest } from './handlers/problem.ts'
export type { Plugin, PluginContext } from './plugins.ts'
export * from './secret.ts'
