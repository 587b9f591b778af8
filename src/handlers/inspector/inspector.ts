/**
 * `GET /-/bus`: shows the topology of the bus and its calls live in a browser, but never payloads or replies.
 * `GET /`: links.
 */
import { Exiting } from '../../bus/errors.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { httpRoutes } from '../../channels.ts'
import { ownFile, serveFiles } from '../pages/static-files.ts'
import { hookPriority } from '../server/hook-priority.ts'
import { refusals } from '../server/refusals.ts'
import { watchBackgroundReads } from './background-reads.ts'
import { addStartPage } from './start-page.ts'
import { BusTraffic } from './traffic.ts'
import { BusWatchers } from './watchers.ts'

const files = {
  '/-/bus': ownFile('inspector.html'),
  '/-/bus/inspector.css': ownFile('inspector.css'),
  '/-/bus/inspector.js': ownFile('inspector.js'),
  '/-/bus/wiring.js': ownFile('wiring.js'),
  '/-/bus/message.js': ownFile('message.js'),
  '/-/bus/message-list.js': ownFile('message-list.js'),
  '/-/bus/request-view.js': ownFile('request-view.js'),
  '/-/bus/waterfall.js': ownFile('waterfall.js'),
  '/-/bus/layout.js': ownFile('layout.js'),
  '/-/bus/drawing.js': ownFile('drawing.js'),
  '/-/bus/units.js': ownFile('units.js'),
}

export const inspector = (): Subscriber => (bus) => {
  const traffic = new BusTraffic(refusals(bus))
  bus.tap((activity, call) => traffic.add(activity, call))
  watchBackgroundReads(bus, traffic)

  bus.subscribe(httpRoutes, (app) => {
    const watchers = new BusWatchers(bus, traffic)
    let closing = false
    serveFiles(app, { service: bus.service.name, needs: 'inspector' }, files)

    const events = {
      config: { browser: true, needs: 'inspector' },
      schema: { hide: true },
      exposeHeadRoute: false,
    } as const
    app.get('/-/bus/events', events, async (_request, reply) => {
      if (closing) throw new Exiting() // `preClose` has run already and would not end this stream
      return reply
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no') // disables response buffering in nginx
        .header('x-content-type-options', 'nosniff')
        .type('text/event-stream')
        .send(watchers.add(reply.raw))
    })

    // The streams never end on their own, and closing the server waits for open responses.
    app.addHook('preClose', (done) => {
      closing = true
      watchers.endAll()
      done()
    })
  })

  // Last, because a plugin may serve this path.
  bus.subscribe(httpRoutes, (app) => addStartPage(app, bus.service), { priority: hookPriority.startPage })
}
