/** The id of a request: the client's own if it can stand in a header, a log line and a URI as it is, else a new one. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const valid = /^[\w.~+/=@-]{1,128}$/

export function requestId({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && valid.test(given) ? given : randomUUID()
}
