/** Starts a server on a free port of 127.0.0.1. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'

export interface ListeningServer {
  readonly endpoint: string
  /** Closes the server and all connections to it; calling it again has no effect. */
  close(): Promise<void>
}

export async function listen(server: Server): Promise<ListeningServer> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a string only for a pipe
  const close = async () => {
    if (!server.listening) return
    const closed = promisify(server.close).call(server)
    server.closeAllConnections()
    await closed
  }
  return { endpoint: `http://127.0.0.1:${port}`, close }
}
