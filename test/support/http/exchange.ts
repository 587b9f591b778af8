/** Sends raw bytes on a connection and returns the raw response. */
import { once } from 'node:events'
import { connect } from 'node:net'

export interface Sent {
  readonly bytes: Buffer
  /** Half-close the connection right after sending, because the server may wait for the rest of the request. */
  readonly halfClose?: boolean
}

/** Inactivity timeout in milliseconds, for a server that neither responds nor closes the connection. */
const inactivityTimeout = 30_000

/** @returns the received text; empty if the server closed the connection without a response */
export async function exchange(port: number, { bytes, halfClose = false }: Sent): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port })
  let received = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    received += text
    socket.end() // one response is enough
  })
  socket.on('error', () => {}) // a reset is treated like a normal end
  socket.setTimeout(inactivityTimeout, () => socket.destroy())
  socket.write(bytes)
  if (halfClose) socket.end()
  await once(socket, 'close')
  return received
}

/** Sends the requests in batches, so that none waits long for its response. */
export async function exchangeAll(port: number, requests: readonly Sent[]): Promise<string[]> {
  const replies: string[] = []
  for (let start = 0; start < requests.length; start += 50) {
    replies.push(...(await Promise.all(requests.slice(start, start + 50).map((sent) => exchange(port, sent)))))
  }
  return replies
}
