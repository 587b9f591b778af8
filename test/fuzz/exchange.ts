/** A client that sends bytes in pieces, and takes nothing for a reply that is not exactly one. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect } from 'vitest'
import type { RawReply } from '../support/http/http.ts'

/**
 * Sends the bytes and reads until the server has closed the connection, a character for a byte in both directions.
 * @param cuts where the bytes are cut into pieces, beyond their end again from their beginning
 * @param ending whether the client closes its side when all is sent
 */
export async function exchange(port: number, bytes: string, cuts: number[], { ending = false } = {}): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true }).setEncoding('latin1')
  let received = ''
  socket.on('data', (text: string) => {
    received += text
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await once(socket, 'connect')
  socket.on('error', () => {}) // the server may close before it has read all
  const places = [...new Set(cuts.map((cut) => cut % bytes.length)), bytes.length].sort((a, b) => a - b)
  for (const [index, place] of places.entries()) {
    socket.write(bytes.slice(places[index - 1] ?? 0, place), 'latin1')
    await new Promise((resolve) => setImmediate(resolve))
  }
  if (ending) socket.end()
  await closed
  return received
}

/**
 * Takes apart what was received. Fails unless it is replies, and nothing else, in the grammar of RFC 9112.
 * @param methods those of the requests, since a reply to HEAD has no body
 */
export function repliesIn(received: string, methods: readonly string[] = []): RawReply[] {
  const replies: RawReply[] = []
  let rest = received
  while (rest !== '') {
    const [head = '', status, lines = ''] =
      /^HTTP\/1\.1 (\d{3}) [ -~]+\r\n((?:[\w-]+: [ -~]*\r\n)*)\r\n/.exec(rest) ?? []
    if (head === '') throw new Error(`this is no reply: ${JSON.stringify(rest)}`)
    rest = rest.slice(head.length)
    if (status === '100') continue
    const fields = [...lines.matchAll(/(.+?): (.*)\r\n/g)].map(([, name = '', value]) => [name.toLowerCase(), value])
    const headers = Object.fromEntries(fields)
    expect(headers['content-length']).toMatch(/^\d+$/)
    const length = methods[replies.length] === 'HEAD' ? 0 : Number(headers['content-length'])
    expect(rest.length).toBeGreaterThanOrEqual(length)
    replies.push({ status: Number(status), headers, body: Buffer.from(rest.slice(0, length), 'latin1').toString() })
    rest = rest.slice(length)
  }
  return replies
}
