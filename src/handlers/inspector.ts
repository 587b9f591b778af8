/** `GET /-/bus`: the bus in a browser. Who is wired to whom, and what passes, as it passes; never what is carried. */
import { PassThrough } from 'node:stream'
import type { ProcessBus, Subscriber } from '../bus/process-bus.ts'
import { httpRoutes } from '../channels.ts'
import { BusTraffic } from './bus-traffic.ts'
import { ownFile, serveFiles } from './static-page.ts'

/** How often a page is told what has changed, in milliseconds: as live as one can read. */
const pace = 250

/** Something is sent at least this often, in milliseconds, or whoever is between takes the connection for dead. */
const heartbeat = 15_000

const files = {
  '/-/bus': ownFile('inspector.html'),
  '/-/bus/inspector.css': ownFile('inspector.css'),
  '/-/bus/inspector.js': ownFile('inspector.js'),
  '/-/bus/wiring.js': ownFile('wiring.js'),
  '/-/bus/layout.js': ownFile('layout.js'),
  '/-/bus/units.js': ownFile('units.js'),
}

export const inspector = (): Subscriber => (bus) => {
  const traffic = new BusTraffic()
  bus.tap((activity) => traffic.add(activity))

  bus.subscribe(httpRoutes, (app) => {
    const watchers = new Set<PassThrough>()
    serveFiles(app, files)

    const events = { config: { browser: true }, schema: { hide: true }, exposeHeadRoute: false }
    app.get('/-/bus/events', events, async (_request, reply) => {
      const watcher = watch(bus, traffic)
      watchers.add(watcher)
      watcher.once('close', () => watchers.delete(watcher))
      return reply
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no') // nginx would wait for more
        .type('text/event-stream')
        .send(watcher)
    })

    // They never end by themselves, and the server waits for what is under way.
    app.addHook('preClose', (done) => {
      for (const watcher of watchers) watcher.end()
      done()
    })
  })
}

/** The bus as server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html. */
function watch(bus: ProcessBus, traffic: BusTraffic): PassThrough {
  const stream = new PassThrough()
  let wired = ''
  let seen = 0
  let toldAt = 0

  const tell = () => {
    if (stream.writableEnded || stream.writableNeedDrain) return // who is slow misses some, and is told how many
    const wiring = { state: bus.state, topology: bus.topology() }
    const rewired = JSON.stringify(wiring) !== wired
    if (!rewired && traffic.count === seen) {
      if (Date.now() - toldAt < heartbeat) return
      stream.write(': nothing new\n\n')
    } else {
      const messages = traffic.since(seen)
      const missed = traffic.count - seen - messages.length
      const news = { ...(rewired && wiring), channels: traffic.channels(), messages, missed }
      stream.write(`data: ${JSON.stringify(news)}\n\n`)
      wired = JSON.stringify(wiring)
      seen = traffic.count
    }
    toldAt = Date.now()
  }
  const timer = setInterval(tell, pace)
  stream.once('close', () => clearInterval(timer))
  tell()
  return stream
}
