import { Socket } from 'node:net'
import { IncomingMessage, type ServerResponse } from './node-http.ts'

/**
 * Lets V8 see what requests and replies look like before there is one.
 *
 * V8 gives the objects of a class as much room as its first seven have used (https://v8.dev/blog/slack-tracking), as far as it
 * still knows these. If garbage is collected between the first requests, as while a service starts, it may know none, and all
 * that come later are too small: their fields are kept in dictionaries, and a request costs up to twice as much until the process
 * ends. So eight are made at once, with the fields that they get when they are answered, and held until the last is there.
 */
export function settle(Response: typeof ServerResponse): void {
  Array.from({ length: 8 }, () => new Response(new IncomingMessage(new Socket())).writeHead(200))
}
