/**
 * Publish and subscribe, provide and request. It knows nothing of processes: starting and stopping is in
 * `process-bus.ts`.
 */
import { type Call, checkDuration, type HandedCall, isPromise, LimitedCall } from './call.ts'
import type { Channel, EventChannel, RequestChannel } from './channel.ts'
import { Delivery } from './delivery.ts'
import { DuplicateProvider, ListenerTimeout, type Need, NoProvider, RequestTimeout } from './errors.ts'
import { type LogLevel, lifecycle } from './lifecycle.ts'
import { Roster, type Subscription } from './roster.ts'
import type { Observer } from './taps.ts'
import { type Topology, Wiring } from './topology.ts'

/** Takes a subscription off again; doing so twice is silent. */
export type Unsubscribe = () => void

export type Listener<Payload, Output> = (payload: Payload, call: HandedCall) => Output | PromiseLike<Output>
export type Provider<Query, Reply> = (query: Query, call: HandedCall) => Reply | PromiseLike<Reply>

export interface SubscribeOptions {
  /** Lower hears earlier; 50 when not given. Equals hear in the order of subscription. */
  readonly priority?: number
  /** For logs and errors; the subscriber's name when not given. */
  readonly name?: string
  /** How long the listener may take, in milliseconds; no limit when not given. */
  readonly timeout?: number
}

export interface RequestCall extends Call {
  /** How long the answer may take, in milliseconds; the channel's timeout when not given. */
  readonly timeout?: number | undefined
}

export class Bus {
  /** The subscriber whose view of the bus this is; see `use`. */
  protected readonly owner: string | undefined = undefined
  // `private` and not `#`: a view made by `use` inherits from this object, and has no fields of its own.
  private readonly roster = new Roster()
  private readonly wiring = new Wiring(this.roster)
  protected readonly delivery = new Delivery((level, message, fields) => this.log(level, message, fields))

  /**
   * Has the listener called with whatever is published on the channel. Subscribing the same function again, whoever does,
   * renews its options, and either undo takes it off.
   * @throws DuplicateChannel; RangeError for a priority or timeout that is none; TypeError for what is no event channel
   */
  subscribe<Payload, Output>(
    channel: EventChannel<Payload, Output>,
    listener: NoInfer<Listener<Payload, Output>>,
    options: SubscribeOptions = {},
  ): Unsubscribe {
    const { priority = 50, timeout = Infinity, name = this.nameOf(listener) } = options
    if (Number.isNaN(priority)) throw new RangeError(`a priority is a number, not ${priority}`)
    checkDuration(timeout)
    this.wiring.know(channel, 'event')
    const late = (ms: number) => new ListenerTimeout(channel.name, name, ms)
    return this.roster.enrol(channel, { run: listener, name, priority, timeout, late })
  }

  /**
   * Calls the listeners one after another, or all at once on a `concurrent` channel. A listener that fails keeps no
   * other from running.
   * @returns what they answered, in the order of delivery
   * @throws ChannelFailures once all have run, if any failed
   */
  publish<Output>(channel: EventChannel<void, Output>, payload?: undefined, call?: Call): Promise<Output[]>
  publish<Payload, Output>(
    channel: EventChannel<Payload, Output>,
    payload: NoInfer<Payload>,
    call?: Call,
  ): Promise<Output[]>
  // Nor is this `async`, for the same reason as `request`.
  publish<Payload, Output>(channel: EventChannel<Payload, Output>, payload: Payload, call?: Call): Promise<Output[]> {
    try {
      return this.delivery.publish(channel, this.roll(channel), payload, call)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Answers the requests on a channel, from now until the undo is called.
   * @throws DuplicateProvider if somebody does already; DuplicateChannel; TypeError for what is no request channel
   */
  provide<Query, Reply>(
    channel: RequestChannel<Query, Reply>,
    provider: NoInfer<Provider<Query, Reply>>,
    options: { readonly name?: string } = {},
  ): Unsubscribe {
    const { name = this.nameOf(provider) } = options
    this.wiring.know(channel, 'request')
    const [first] = this.roll(channel)
    if (first) throw new DuplicateProvider(channel.name, first.name, name)
    const late = (ms: number) => new RequestTimeout(channel.name, name, ms)
    return this.roster.enrol(channel, { run: provider, name, priority: 0, timeout: Infinity, late })
  }

  /**
   * Asks the channel's provider. It never throws; the promise rejects with
   * - the provider's own error, the same object
   * - NoProvider if there is none, DuplicateChannel
   * - RequestTimeout when the time is over
   * - the reason of the caller's signal when that aborts
   */
  request<Reply>(channel: RequestChannel<void, Reply>, query?: undefined, call?: RequestCall): Promise<Reply>
  request<Query, Reply>(
    channel: RequestChannel<Query, Reply>,
    query: NoInfer<Query>,
    call?: RequestCall,
  ): Promise<Reply>
  // Not `async`, so that the provider's own promise is handed on: another one around it would double the cost.
  request<Query, Reply>(channel: RequestChannel<Query, Reply>, query: Query, call?: RequestCall): Promise<Reply> {
    try {
      const provider = this.roll(channel)[0]
      if (!provider) throw new NoProvider(channel.name, this.asker())
      const timeout = call?.timeout ?? channel.timeout
      checkDuration(timeout)
      const answer = this.delivery.call(channel, provider, query, call, timeout)
      return answer instanceof Promise ? answer : Promise.resolve(answer)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Declares that this subscriber needs the channel's answers, which is checked at start; gives the means to ask. */
  requester<Query, Reply>(channel: RequestChannel<Query, Reply>): (query: Query, call?: RequestCall) => Promise<Reply> {
    this.wiring.know(channel, 'request', this.asker())
    return (query, call) => this.request<Query, Reply>(channel, query, call)
  }

  /** Declares that this subscriber publishes on the channel; gives the means to. */
  publisher<Payload, Output>(
    channel: EventChannel<Payload, Output>,
  ): (payload: Payload, call?: Call) => Promise<Output[]> {
    this.wiring.know(channel, 'event', this.asker())
    return (payload, call) => this.publish<Payload, Output>(channel, payload, call)
  }

  /** Hands the subscriber a view of this bus that knows the subscriber's name. */
  use(name: string, subscriber: (bus: this) => void): this {
    subscriber(Object.create(this, { owner: { value: name } }))
    return this
  }

  /** Has the observer told of every listener and provider called. It runs within the call: let it be quick. */
  tap(observer: Observer): Unsubscribe {
    return this.delivery.taps.add(observer)
  }

  /** Who is wired to whom, as subscribed, provided and declared until now. */
  topology(): Topology {
    return this.wiring.topology()
  }

  /**
   * Tells whoever listens on `lifecycle.log`, at once; without any, warnings and errors go to stderr. It never fails.
   * @param fields what is known beside the message; an error goes under `err`, the id of a call under `reqId`
   */
  log(level: LogLevel, message: string, fields: object = {}): void {
    const sinks = this.roster.roll(lifecycle.log)
    if (sinks.length === 0 && alarming.has(level)) process.stderr.write(`${level}: ${message}\n`)
    for (const sink of sinks) {
      try {
        const written = sink.run({ level, message, fields }, new LimitedCall(undefined, Infinity))
        if (isPromise(written)) written.then(undefined, () => {})
      } catch {
        // The log cannot be told that the log fails.
      }
    }
  }

  /** Those to call now, in the order of delivery. */
  protected roll<Input, Output>(channel: Channel<Input, Output>): readonly Subscription<Input, Output>[] {
    const roll = this.roster.roll(channel)
    if (roll.length === 0) this.wiring.check(channel)
    return roll
  }

  /** Requests that were declared and that nobody provides. */
  protected unmetNeeds(): readonly Need[] {
    return this.wiring.unmet()
  }

  private nameOf(callee: { readonly name: string }): string {
    return this.owner ?? (callee.name || 'anonymous')
  }

  private asker(): string {
    return this.owner ?? 'the caller'
  }
}

const alarming: ReadonlySet<LogLevel> = new Set<LogLevel>(['warn', 'error', 'fatal'])
