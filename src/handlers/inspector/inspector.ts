/** `GET /-/bus`: the bus in a browser. Who is wired to whom, and what passes, as it passes; never what is carried. */
import { Exiting } from '../../bus/errors.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { httpRoutes } from '../../channels.ts'
import { ownFile, serveFiles } from '../pages/static-files.ts'
import { BusTraffic } from './traffic.ts'
import { BusWatchers } from './watchers.ts'

const files = {
  '/-/bus': ownFile('inspector.html'),
  '/-/bus/inspector.css': ownFile('inspector.css'),
  '/-/bus/inspector.js': ownFile('inspector.js'),
  '/-/bus/wiring.js': ownFile('wiring.js'),
  '/-/bus/layout.js': ownFile('layout.js'),
  '/-/bus/drawing.js': ownFile('drawing.js'),
  '/-/bus/units.js': ownFile('units.js'),
}

export const inspector = (): Subscriber => (bus) => {
  const traffic = new BusTraffic()
  bus.tap((activity) => traffic.add(activity))

  bus.subscribe(httpRoutes, (app) => {
    const watchers = new BusWatchers(bus, traffic)
    let closing = false
    serveFiles(app, files)

    const events = { config: { browser: true }, schema: { hide: true }, exposeHeadRoute: false }
    app.get('/-/bus/events', events, async (_request, reply) => {
      if (closing) throw new Exiting() // nobody would end it
      return reply
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no') // nginx would wait for more
        .header('x-content-type-options', 'nosniff')
        .type('text/event-stream')
        .send(watchers.add(reply.raw))
    })

    // They never end by themselves, and the server waits for what is under way.
    app.addHook('preClose', (done) => {
      closing = true
      watchers.dismiss()
      done()
    })
  })
}
