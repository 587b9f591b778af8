/** Request ids: the client's `X-Request-Id` if it is safe in headers, log lines and URIs, otherwise a generated id. */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const valid = /^[\w.~+/=@:-]{1,128}$/

/**
 * Creates a generator of request ids. A random prefix makes the ids unique across processes, and a counter within one.
 * Both are hexadecimal, so that ids do not contain words.
 */
export function requestIds(): ({ headers }: Pick<IncomingMessage, 'headers'>) => string {
  const prefix = `${randomBytes(8).toString('hex')}-`
  let count = 0
  return ({ headers }) => {
    const received = headers['x-request-id']
    if (typeof received === 'string' && valid.test(received)) return received
    count += 1
    return prefix + count.toString(16)
  }
}
