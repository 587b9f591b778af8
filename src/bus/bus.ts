/** The bus: publish/subscribe and request/reply. The process lifecycle is in `process/process-bus.ts`. */
import { type Call, type CallContext, checkDuration, isPromise, LimitedCall } from './call.ts'
import type { Channel, EventChannel, RequestChannel } from './channel.ts'
import { Delivery } from './delivery.ts'
import {
  DuplicateProvider,
  ListenerTimeout,
  type MissingProvider,
  messageOf,
  NoProvider,
  RequestTimeout,
} from './errors.ts'
import type { Interceptor } from './interceptors.ts'
import { Outputs, type SettledOutput, SettledOutputs } from './outcomes.ts'
import { type LogLevel, lifecycle } from './process/lifecycle.ts'
import { Registry, type Subscription } from './registry.ts'
import { type Observer, observing } from './taps.ts'
import { type Topology, TopologyRecorder } from './topology/topology.ts'

/** Removes a subscription; calling it again has no effect. */
export type Unsubscribe = () => void

export type Listener<Payload, Output> = (payload: Payload, call: CallContext) => Output | PromiseLike<Output>
export type Provider<Query, Reply> = (query: Query, call: CallContext) => Reply | PromiseLike<Reply>

export interface SubscribeOptions {
  /** Lower priorities are called first; the default is 50. Equal priorities are called in the order of subscription. */
  readonly priority?: number
  /** Name for logs and errors; the subscriber's name by default. */
  readonly name?: string
  /** Time limit of the listener in milliseconds; none by default. */
  readonly timeout?: number
}

export interface RequestCall extends Call {
  /** Time limit of the request in milliseconds; the channel's timeout by default. */
  readonly timeout?: number | undefined
}

export class Bus {
  /** The subscriber that owns this view of the bus; see `use`. */
  protected readonly owner: string | undefined = undefined
  // `private` instead of `#`: a view created by `use` inherits from this object and has no own fields.
  private readonly registry = new Registry()
  private readonly recorder = new TopologyRecorder(this.registry)
  protected readonly delivery = new Delivery((level, message, fields) => this.log(level, message, fields))
  /** The log listeners that are running. They are not called for what they log themselves. */
  private readonly logging: object[] = []

  /**
   * Calls the listener for every event published on the channel. Subscribing the same function again, by the same or
   * another subscriber, updates its options; each returned function then removes it.
   * @throws DuplicateChannel; RangeError if the priority or timeout is invalid; TypeError if it is not an event channel,
   *   or the listener is not a function
   */
  subscribe<Payload, Output>(
    channel: EventChannel<Payload, Output>,
    listener: NoInfer<Listener<Payload, Output>>,
    options: SubscribeOptions = {},
  ): Unsubscribe {
    checkFunction(`listener of ${channel?.name}`, listener)
    const { priority = 50, timeout = Infinity, name = this.nameOf(listener) } = options
    if (Number.isNaN(priority)) throw new RangeError(`priority must be a number, received ${priority}`)
    checkDuration(timeout)
    this.recorder.record(channel, 'event')
    const timeoutError = (ms: number) => new ListenerTimeout(channel.name, name, ms)
    const pending = this.delivery.pendingCalls()
    return this.registry.add(channel, { run: listener, name, priority, timeout, timeoutError, pending })
  }

  /**
   * Calls the listeners one after another, or all at once on a `concurrent` channel. A failing listener does not
   * prevent the others from running.
   * @returns the outputs in the order of delivery
   * @throws ChannelFailures after all listeners have run, if any failed
   */
  publish<Output>(channel: EventChannel<void, Output>, payload?: undefined, call?: Call): Promise<Output[]>
  publish<Payload, Output>(
    channel: EventChannel<Payload, Output>,
    payload: NoInfer<Payload>,
    call?: Call,
  ): Promise<Output[]>
  // Not `async`, for the same reason as `request`.
  publish<Payload, Output>(channel: EventChannel<Payload, Output>, payload: Payload, call?: Call): Promise<Output[]> {
    try {
      return this.delivery.publish(channel, this.subscriptions(channel), payload, call, new Outputs(channel.name))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Like `publish`, but reports the outcome of each listener with the listener's name, and never rejects because a
   * listener failed. Failures are logged as usual.
   * @returns the outcomes in the order of delivery
   * @throws DuplicateChannel
   */
  publishSettled<Output>(
    channel: EventChannel<void, Output>,
    payload?: undefined,
    call?: Call,
  ): Promise<SettledOutput<Output>[]>
  publishSettled<Payload, Output>(
    channel: EventChannel<Payload, Output>,
    payload: NoInfer<Payload>,
    call?: Call,
  ): Promise<SettledOutput<Output>[]>
  async publishSettled<Payload, Output>(
    channel: EventChannel<Payload, Output>,
    payload: Payload,
    call?: Call,
  ): Promise<SettledOutput<Output>[]> {
    return this.delivery.publish(channel, this.subscriptions(channel), payload, call, new SettledOutputs())
  }

  /**
   * Handles the requests on a channel until the returned function is called.
   * @throws DuplicateProvider if the channel has a provider; DuplicateChannel; TypeError if it is not a request channel,
   *   or the provider is not a function
   */
  provide<Query, Reply>(
    channel: RequestChannel<Query, Reply>,
    provider: NoInfer<Provider<Query, Reply>>,
    options: { readonly name?: string } = {},
  ): Unsubscribe {
    checkFunction(`provider of ${channel?.name}`, provider)
    const { name = this.nameOf(provider) } = options
    this.recorder.record(channel, 'request')
    const [first] = this.subscriptions(channel)
    if (first) throw new DuplicateProvider(channel.name, first.name, name)
    const timeoutError = (ms: number) => new RequestTimeout(channel.name, name, ms)
    const pending = this.delivery.pendingCalls()
    return this.registry.add(channel, { run: provider, name, priority: 0, timeout: Infinity, timeoutError, pending })
  }

  /**
   * Sends a query to the channel's provider. It never throws; the promise rejects with
   * - the provider's own error, the same object
   * - NoProvider if there is none, DuplicateChannel
   * - RequestTimeout if the time limit is reached
   * - CallCycle if calls form a cycle; ChannelOverloaded if about 10,000 requests are pending
   * - the reason of the caller's signal if it aborts
   */
  request<Reply>(channel: RequestChannel<void, Reply>, query?: undefined, call?: RequestCall): Promise<Reply>
  request<Query, Reply>(
    channel: RequestChannel<Query, Reply>,
    query: NoInfer<Query>,
    call?: RequestCall,
  ): Promise<Reply>
  // Not `async`, so that the provider's own promise is returned: wrapping it in another one would double the cost.
  request<Query, Reply>(channel: RequestChannel<Query, Reply>, query: Query, call?: RequestCall): Promise<Reply> {
    try {
      const provider = this.subscriptions(channel)[0]
      if (!provider) throw new NoProvider(channel.name, this.requesterName())
      const timeout = call?.timeout ?? channel.timeout
      checkDuration(timeout)
      const answer = this.delivery.call(channel, provider, query, call, timeout)
      return answer instanceof Promise ? answer : Promise.resolve(answer)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Declares that this subscriber makes requests on the channel, and returns a function that does; see `start`. */
  requester<Query, Reply>(channel: RequestChannel<Query, Reply>): (query: Query, call?: RequestCall) => Promise<Reply> {
    this.recorder.record(channel, 'request', this.requesterName())
    return (query, call) => this.request<Query, Reply>(channel, query, call)
  }

  /** Declares that this subscriber publishes on the channel, and returns a function that does. */
  publisher<Payload, Output>(
    channel: EventChannel<Payload, Output>,
  ): (payload: Payload, call?: Call) => Promise<Output[]> {
    this.recorder.record(channel, 'event', this.requesterName())
    return (payload, call) => this.publish<Payload, Output>(channel, payload, call)
  }

  /** Calls the subscriber with a view of this bus that carries the subscriber's name. */
  use(name: string, subscriber: (bus: this) => void): this {
    checkFunction(`subscriber ${name}`, subscriber)
    const result: unknown = subscriber(Object.create(this, { owner: { value: name } }))
    if (!isPromise(result)) return this
    result.then(undefined, () => {}) // its failure would end the process
    throw new TypeError(`subscriber ${name} must be synchronous, but returned a promise`)
  }

  /**
   * Runs the interceptor around every call of a listener or provider, inside of the interceptors that were installed
   * before. What it throws fails that call alone. The listeners of `lifecycle.log` are called without it.
   */
  intercept(interceptor: Interceptor): Unsubscribe {
    checkFunction('interceptor', interceptor)
    return this.delivery.interceptors.add(interceptor)
  }

  /** Reports every call of a listener or provider to the observer, which is called synchronously and must be fast. */
  tap(observer: Observer): Unsubscribe {
    checkFunction('observer', observer)
    return this.intercept(
      observing(observer, (error) => this.log('error', `Bus tap failed: ${messageOf(error)}`, { err: error })),
    )
  }

  /** The channels with their users and handlers, as declared so far. */
  topology(): Topology {
    return this.recorder.topology()
  }

  /**
   * Passes a log record to the listeners of `lifecycle.log`, synchronously; without any, warnings and errors go to
   * stderr. It never fails.
   * @param fields additional data; by convention an error is `err` and the id of a call is `reqId`
   */
  log(level: LogLevel, message: string, fields: object = {}): void {
    const sinks = this.registry.subscriptions(lifecycle.log)
    if (sinks.length === 0 && stderrLevels.has(level)) process.stderr.write(`${level}: ${message}\n`)
    const record = { level, message, fields }
    for (const sink of sinks) {
      if (this.logging.includes(sink)) continue
      this.logging.push(sink)
      try {
        const result = sink.run(record, new LimitedCall(undefined, Infinity, lifecycle.log, sink))
        if (isPromise(result)) result.then(undefined, () => {})
      } catch {
        // There is nowhere left to report that the log failed.
      } finally {
        this.logging.pop()
      }
    }
  }

  /** The current subscriptions of a channel, in the order of delivery. */
  protected subscriptions<Input, Output>(channel: Channel<Input, Output>): readonly Subscription<Input, Output>[] {
    const subscriptions = this.registry.subscriptions(channel)
    if (subscriptions.length === 0) this.recorder.check(channel)
    return subscriptions
  }

  /** The declared requests that have no provider. */
  protected missingProviders(): readonly MissingProvider[] {
    return this.recorder.missingProviders()
  }

  private nameOf(callee: { readonly name: string }): string {
    return this.owner ?? (callee.name || 'anonymous')
  }

  private requesterName(): string {
    return this.owner ?? 'the caller'
  }
}

const stderrLevels: ReadonlySet<LogLevel> = new Set<LogLevel>(['warn', 'error', 'fatal'])

/** For callers written in JavaScript. Without this check, the error would occur only when the channel is used. */
function checkFunction(what: string, value: unknown): void {
  if (typeof value === 'function') return
  throw new TypeError(`${what} must be a function, received ${value === null ? 'null' : typeof value}`)
}
