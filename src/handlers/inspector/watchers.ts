/** Those who watch the bus: each is sent what has changed, as server-sent events. */
import type { ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import { Overloaded } from '../guards/load-shedding.ts'
import type { BusTraffic } from './traffic.ts'

/** How often they are told, in milliseconds: as live as one can read. */
const pace = 250

/** Something is sent at least this often, in milliseconds, or whoever is between takes the connection for dead. */
const heartbeat = 15_000

/** How many there may be. Each costs time whenever something passes, and it is not for them that the service is there. */
const most = 100

interface Watcher {
  readonly stream: PassThrough
  readonly response: ServerResponse
  /** What it was told last: the wiring, the number of the last message, and when. */
  wiring: string
  seen: number
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
   * Answers with what one more watcher is to be sent, until it or the server goes.
   * @param response by which it is sent
   * @throws Overloaded if there are too many
   */
  add(response: ServerResponse): PassThrough {
    if (this.#watchers.size >= most) throw new Overloaded('too many watch the bus')
    const watcher = { stream: new PassThrough(), response, wiring: '', seen: 0, at: 0 }
    this.#watchers.add(watcher)
    watcher.stream.once('close', () => {
      this.#watchers.delete(watcher)
      if (this.#watchers.size === 0) clearInterval(this.#timer)
    })
    if (this.#watchers.size === 1) this.#timer = setInterval(() => this.#tell(this.#watchers), pace)
    this.#tell([watcher])
    return watcher.stream
  }

  /** Ends what all are sent. Who does not read could hold the server up, and is let go at once. */
  dismiss(): void {
    for (const { stream, response } of this.#watchers) {
      if (response.writableLength > 0) stream.destroy()
      else stream.end()
    }
  }

  #tell(watchers: Iterable<Watcher>): void {
    const wiring = JSON.stringify({ state: this.#bus.state, topology: this.#bus.topology() }).slice(1, -1)
    // Most have seen the same, and are sent the same.
    const events = new Map<string, string>()
    for (const watcher of watchers) {
      const { stream, seen } = watcher
      if (stream.writableEnded || stream.writableNeedDrain) continue // who is slow misses some, and is told how many
      const rewired = watcher.wiring !== wiring
      const isNews = rewired || seen !== this.#traffic.count
      if (!isNews && Date.now() - watcher.at < heartbeat) continue
      const kind = `${rewired} ${seen}`
      const event = events.get(kind) ?? (isNews ? this.#event(rewired ? wiring : undefined, seen) : ': nothing new\n\n')
      events.set(kind, event)
      stream.write(event)
      Object.assign(watcher, { wiring, seen: this.#traffic.count, at: Date.now() })
    }
  }

  /** https://html.spec.whatwg.org/multipage/server-sent-events.html */
  #event(wiring: string | undefined, seen: number): string {
    const messages = this.#traffic.since(seen)
    const missed = this.#traffic.count - seen - messages.length
    const passed = JSON.stringify({ channels: this.#traffic.channels(), messages, missed }).slice(1, -1)
    return `data: {${wiring === undefined ? passed : `${wiring},${passed}`}}\n\n`
  }
}
