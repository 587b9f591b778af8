/** Streams changes of the bus to the inspector's clients as server-sent events. */
import type { ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import { Overloaded } from '../guards/load-shedding.ts'
import type { BusTraffic } from './traffic.ts'

/** Interval between updates, in milliseconds. Faster updates would not be readable. */
const updateInterval = 250

/** Interval of comments on an idle stream, in milliseconds. They prevent proxies from closing the connection. */
const heartbeatInterval = 15_000

/** The maximum number of clients, because serializing updates for them takes time from requests for secrets. */
const maxWatchers = 100

interface Watcher {
  readonly stream: PassThrough
  readonly response: ServerResponse
  /** The state and topology in the last update, as JSON. */
  snapshot: string
  /** The sequence number of the last message sent. */
  seen: number
  /** The time of the last write on the monotonic clock, in milliseconds. */
  at: number
}

export class BusWatchers {
  readonly #watchers = new Set<Watcher>()
  readonly #bus: ProcessBus
  readonly #traffic: BusTraffic
  #timer: NodeJS.Timeout | undefined

  constructor(bus: ProcessBus, traffic: BusTraffic) {
    this.#bus = bus
    this.#traffic = traffic
  }

  /**
   * Adds a client and returns its event stream, which ends when the client disconnects or `endAll` is called.
   * @param response the response that sends the stream
   * @throws Overloaded if there are too many clients
   */
  add(response: ServerResponse): PassThrough {
    if (this.#watchers.size >= maxWatchers) throw new Overloaded('Too many inspector clients')
    const watcher = { stream: new PassThrough(), response, snapshot: '', seen: 0, at: 0 }
    this.#watchers.add(watcher)
    watcher.stream.once('close', () => {
      this.#watchers.delete(watcher)
      if (this.#watchers.size === 0) clearInterval(this.#timer)
    })
    if (this.#watchers.size === 1) this.#timer = setInterval(() => this.#update(this.#watchers), updateInterval)
    this.#update([watcher])
    return watcher.stream
  }

  /** Ends all streams. A client that is not reading is disconnected, because it would delay the shutdown. */
  endAll(): void {
    for (const { stream, response } of this.#watchers) {
      if (response.writableLength > 0) response.destroy()
      else stream.end()
    }
  }

  #update(watchers: Iterable<Watcher>): void {
    const snapshot = JSON.stringify({ state: this.#bus.state, topology: this.#bus.topology() }).slice(1, -1)
    // Serialized once for all clients that have seen the same messages.
    const events = new Map<string, string>()
    for (const watcher of watchers) {
      const { stream, seen } = watcher
      if (stream.writableEnded || stream.writableNeedDrain) continue // a slow client misses messages
      const changed = watcher.snapshot !== snapshot
      const hasUpdates = changed || seen !== this.#traffic.count
      if (!hasUpdates && performance.now() - watcher.at < heartbeatInterval) continue
      const kind = `${changed} ${seen}`
      const event =
        events.get(kind) ?? (hasUpdates ? this.#event(changed ? snapshot : undefined, seen) : ': heartbeat\n\n')
      events.set(kind, event)
      stream.write(event)
      Object.assign(watcher, { snapshot, seen: this.#traffic.count, at: performance.now() })
    }
  }

  /** An event in the format of https://html.spec.whatwg.org/multipage/server-sent-events.html. */
  #event(snapshot: string | undefined, seen: number): string {
    const messages = this.#traffic.since(seen)
    const missed = this.#traffic.count - seen - messages.length
    const traffic = JSON.stringify({ channels: this.#traffic.channels(), messages, missed }).slice(1, -1)
    return `data: {${snapshot === undefined ? traffic : `${snapshot},${traffic}`}}\n\n`
  }
}
