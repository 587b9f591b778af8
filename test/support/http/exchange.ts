/** One connection, whatever is sent through it, and every byte that comes back. */
import { once } from 'node:events'
import { connect } from 'node:net'

export interface Sent {
  readonly bytes: Buffer
  /** The client closes its side at once, and does not wait for an answer: the server may wait for the rest of a request. */
  readonly hangsUp?: boolean
}

/** For a server that says nothing and goes on listening, in milliseconds. */
const patience = 30_000

/** @returns what came; nothing if the server closed without a word */
export async function exchange(port: number, { bytes, hangsUp = false }: Sent): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port })
  let received = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    received += text
    socket.end() // one reply is enough
  })
  socket.on('error', () => {}) // a reset is an end like any other
  socket.setTimeout(patience, () => socket.destroy())
  socket.write(bytes)
  if (hangsUp) socket.end()
  await once(socket, 'close')
  return received
}

/** So many at a time that none of them has to wait for long. */
export async function exchangeAll(port: number, requests: readonly Sent[]): Promise<string[]> {
  const replies: string[] = []
  for (let at = 0; at < requests.length; at += 50) {
    replies.push(...(await Promise.all(requests.slice(at, at + 50).map((sent) => exchange(port, sent)))))
  }
  return replies
}
