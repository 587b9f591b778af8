/** The id of a request: the client's own if it can stand in a header, a log line and a URI as it is, else a new one. */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const valid = /^[\w.~+/=@-]{1,128}$/

/**
 * Makes ids that no other process makes: what is random stands once for all of them, and they are counted. In hexadecimal, which
 * spells no words.
 */
export function requestIds(): ({ headers }: Pick<IncomingMessage, 'headers'>) => string {
  const own = `${randomBytes(8).toString('hex')}-`
  let count = 0
  return ({ headers }) => {
    const given = headers['x-request-id']
    if (typeof given === 'string' && valid.test(given)) return given
    count += 1
    return own + count.toString(16)
  }
}
