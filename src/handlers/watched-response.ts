/** A reply of Node's, with what is known of it when it is through. */
import type { IncomingMessage } from 'node:http'
import { ServerResponse } from './node-http.ts'

/** It has these fields from the beginning, since one that is added later costs each time. */
export class WatchedResponse<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  /** When the head of the request had come, by `performance.now()`. */
  readonly began = performance.now()
  /** As in the route's definition. Whoever asks for anything else has none. */
  route = 'none'
}
