/**
 * What happens inside of subscribers, for tracing and the inspector: published on `node:diagnostics_channel`, because
 * nothing answers it and it costs nothing without subscribers. No message contains a payload or an error's message.
 */
import { type Channel, channel, type TracingChannel, tracingChannel } from 'node:diagnostics_channel'
import type { Call, TraceContext } from './bus/call.ts'
import { labelOf } from './bus/thrown.ts'

/** Set by the publisher before it publishes the end. */
interface Ended {
  /** How it ended: `ok`, or the code or, without one, the name of the error. */
  outcome?: string
}

/** A cache reads a value from its source. Requests that arrive meanwhile may join the read. */
export interface CacheRead extends Ended {
  /** What the cache calls one of its values, such as `secret`. */
  readonly cache: string
  /** The key of the value, such as its code name. */
  readonly key: string
  /** All but those of a `request` run in the background. `load` is the first read of a value. */
  readonly trigger: 'request' | 'load' | 'refresh' | 'reload'
  /** The call that causes the read; undefined in the background. */
  readonly call: Call | undefined
  /** Passed on with the request to the source. A subscriber may replace it at the start. */
  trace: TraceContext | undefined
}

/** A request waits for a read that another one has started. */
export interface CacheJoin {
  readonly read: CacheRead
  /** The call that waits, if it is known. */
  readonly call: Call | undefined
}

/** One attempt of a read of DynamoDB. The SDK repeats an attempt that fails. */
export interface DynamodbAttempt extends Ended {
  readonly operation: 'GetItem'
  readonly table: string
  /** The call that causes the read. */
  readonly call: Call
  /** Counts from 1. */
  readonly attempt: number
  readonly host: string | undefined
  readonly port: number | undefined
  /** Of the response, if there was one. */
  status?: number | undefined
  requestId?: string | undefined
}

/** A request to an upstream API. */
export interface UpstreamExchange extends Ended {
  readonly method: string
  /** Without a query, which may be secret. */
  readonly url: URL
  /** The call that causes the request. */
  readonly call: Call | undefined
  /** Sent as `traceparent`. A subscriber may replace it at the start. */
  trace: TraceContext | undefined
  /** Of the response, if there was one. */
  status?: number | undefined
}

/**
 * Something that takes time. `start` and `end` are published with the same object, as `start` and `asyncEnd` of the
 * tracing channel of this name.
 */
export class Operation<Message extends Ended> {
  readonly name: string
  readonly #channel: TracingChannel<unknown, Message>

  constructor(name: string) {
    this.name = name
    this.#channel = tracingChannel<unknown, Message>(name)
  }

  /** Whether anything subscribes. Without it, a publisher need not create the message. */
  get isWatched(): boolean {
    return this.#channel.start.hasSubscribers || this.#channel.asyncEnd.hasSubscribers
  }

  start(message: Message): void {
    if (this.#channel.start.hasSubscribers) this.#channel.start.publish(message)
  }

  /** @param error the failure; undefined if there is none */
  end(message: Message, error?: unknown): void {
    if (!this.#channel.asyncEnd.hasSubscribers) return
    message.outcome = error === undefined ? 'ok' : labelOf(error)
    this.#channel.asyncEnd.publish(message)
  }

  /**
   * Calls the functions synchronously; what they throw is an uncaught exception.
   * @returns the function that ends the subscription
   */
  subscribe(subscriber: { start?: (message: Message) => void; end?: (message: Message) => void }): () => void {
    const { start = () => {}, end = () => {} } = subscriber
    // The channels of this name are untyped, and nothing else publishes on them.
    const onStart = (message: unknown) => start(message as Message)
    const onEnd = (message: unknown) => end(message as Message)
    this.#channel.start.subscribe(onStart)
    this.#channel.asyncEnd.subscribe(onEnd)
    return () => {
      this.#channel.start.unsubscribe(onStart)
      this.#channel.asyncEnd.unsubscribe(onEnd)
    }
  }
}

/** Something that happens at one moment. */
export class Occurrence<Message extends object> {
  readonly name: string
  readonly #channel: Channel

  constructor(name: string) {
    this.name = name
    this.#channel = channel(name)
  }

  publish(message: Message): void {
    if (this.#channel.hasSubscribers) this.#channel.publish(message)
  }

  /** As in `Operation`. */
  subscribe(subscriber: (message: Message) => void): () => void {
    // The channel is untyped, and nothing else publishes on it.
    const onMessage = (message: unknown) => subscriber(message as Message)
    this.#channel.subscribe(onMessage)
    return () => this.#channel.unsubscribe(onMessage)
  }
}

export const diagnostics = {
  /** From when the cache sends a read until its result is known. */
  cacheRead: new Operation<CacheRead>('secret-bus:cache.read'),
  /** When a request joins a read. */
  cacheJoin: new Occurrence<CacheJoin>('secret-bus:cache.join'),
  /** From when an attempt is sent until its response has been read. */
  dynamodbAttempt: new Operation<DynamodbAttempt>('secret-bus:dynamodb.attempt'),
  /** From when a request to an upstream API is sent until its response has been read. */
  upstreamExchange: new Operation<UpstreamExchange>('secret-bus:upstream.request'),
} as const
