/** An HTTP proxy that tunnels every connection to one server, regardless of the requested host. */
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { listen } from './listen.ts'

export interface ForwardProxy {
  readonly endpoint: string
  /** The hosts and ports that clients requested. */
  readonly targets: readonly string[]
  /** The credentials that clients sent. */
  readonly authorizations: readonly (string | undefined)[]
}

/**
 * Starts the proxy, which ends with the test.
 * @param origin the server that all tunnels lead to; `undefined` rejects them with 407
 */
export async function startForwardProxy(origin: string | undefined): Promise<ForwardProxy> {
  const targets: string[] = []
  const authorizations: (string | undefined)[] = []
  const sockets = new Set<Socket>()
  const server = createServer()
  server.on('connect', ({ url = '', headers }, client: Socket) => {
    targets.push(url)
    authorizations.push(headers['proxy-authorization'])
    if (origin === undefined) return client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    const upstream = connect(Number(new URL(origin).port), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(upstream).pipe(client)
    })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {}) // a reset is treated like a normal end
    }
    return undefined
  })
  const { endpoint, close } = await listen(server)
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await close()
  })
  return { endpoint, targets, authorizations }
}
