// @ts-check
/** Server-sent events: a stream of the accesses to secrets, which ends when the process stops. */
import { PassThrough } from 'node:stream'

/** @type {import('secret-bus').Plugin} */
export default ({ channels }) =>
  (bus) => {
    /** @type {Map<PassThrough, import('node:http').ServerResponse>} The open streams with their responses. */
    const open = new Map()
    bus.subscribe(channels.secretAccessed, ({ codeName, status }) => {
      const event = `data: ${JSON.stringify({ codeName, status })}\n\n`
      // A client that reads too slowly misses events, because they would fill the memory.
      for (const stream of open.keys()) if (!stream.writableNeedDrain) stream.write(event)
    })
    bus.subscribe(channels.httpRoutes, (app) => {
      let closing = false
      app.get('/accesses', { exposeHeadRoute: false }, (_request, reply) => {
        const stream = new PassThrough()
        stream.write(': connected\n\n') // sends the response headers
        open.set(stream, reply.raw)
        stream.once('close', () => open.delete(stream))
        if (closing) stream.end() // `preClose` has run already
        return reply.type('text/event-stream').header('cache-control', 'no-store').send(stream)
      })
      // The server stops before this plugin and waits for open responses, so `lifecycle.stop` would be too late.
      app.addHook('preClose', async () => {
        closing = true
        for (const [stream, response] of open) {
          if (response.writableLength > 0)
            stream.destroy() // the client does not read
          else stream.end()
        }
      })
    })
  }
