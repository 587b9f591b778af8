/** A client that sends bytes in pieces and parses the responses strictly. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect } from 'vitest'
import type { RawReply } from '../support/http/http.ts'

/**
 * Sends the bytes and reads until the server closes the connection. Text has one character per byte in both directions.
 * @param cuts positions at which the bytes are split into pieces, modulo their length
 * @param ending whether the client half-closes the connection after sending
 */
export async function exchange(port: number, bytes: string, cuts: number[], { ending = false } = {}): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true }).setEncoding('latin1')
  let received = ''
  socket.on('data', (text: string) => {
    received += text
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await once(socket, 'connect')
  socket.on('error', () => {}) // the server may close before it has read everything
  const positions = [...new Set(cuts.map((cut) => cut % bytes.length)), bytes.length].sort((a, b) => a - b)
  for (const [index, position] of positions.entries()) {
    socket.write(bytes.slice(positions[index - 1] ?? 0, position), 'latin1')
    await new Promise((resolve) => setImmediate(resolve))
  }
  if (ending) socket.end()
  await closed
  return received
}

/**
 * Parses the received text. Fails unless it consists only of responses in the grammar of RFC 9112.
 * @param methods methods of the requests, because a response to HEAD has no body
 */
export function repliesIn(received: string, methods: readonly string[] = []): RawReply[] {
  const replies: RawReply[] = []
  let rest = received
  while (rest !== '') {
    const [head = '', status, lines = ''] =
      /^HTTP\/1\.1 (\d{3}) [ -~]+\r\n((?:[\w-]+: [ -~]*\r\n)*)\r\n/.exec(rest) ?? []
    if (head === '') throw new Error(`Not a valid response: ${JSON.stringify(rest)}`)
    rest = rest.slice(head.length)
    if (status === '100') continue
    const fields = [...lines.matchAll(/(.+?): (.*)\r\n/g)].map(([, name = '', value]) => [name.toLowerCase(), value])
    const headers = Object.fromEntries(fields)
    if (status !== '204') expect(headers['content-length']).toMatch(/^\d+$/)
    const length = methods[replies.length] === 'HEAD' ? 0 : Number(headers['content-length'] ?? 0)
    expect(rest.length).toBeGreaterThanOrEqual(length)
    replies.push({ status: Number(status), headers, body: Buffer.from(rest.slice(0, length), 'latin1').toString() })
    rest = rest.slice(length)
  }
  return replies
}
