/** Measures the memory taken by clients that read no responses, while wrk loads the service. */
import { connect } from 'node:net'
import { loadServer } from './load.ts'
import { type ServerProcess, service, startServer } from './server-process.ts'

export interface UnreadResult {
  readonly path: string
  readonly connections: number
  /** Requests that each connection sends at once. */
  readonly pipelined: number
  /** Resident memory before in MB, and its largest growth. */
  readonly before: number
  readonly growth: number
  /** 99th percentile of the response time of wrk, in milliseconds. */
  readonly p99: number
}

const attacks = ['/secret', '/metrics', '/docs/swagger-ui-bundle.js'].flatMap((path) => [
  { path, connections: 1, pipelined: 3_000 },
  { path, connections: 300, pipelined: 5 },
])

/**
 * @param endpoint the DynamoDB endpoint of the service
 * @param seconds duration of each measurement, and half of that of the load before
 */
export async function measureUnread(endpoint: string, seconds: number): Promise<UnreadResult[]> {
  const server = await startServer(service(endpoint), '/secret')
  await loadServer(server, { path: '/secret', connections: 32, seconds: 2 * seconds })
  for (const { path } of attacks) await (await fetch(server.origin + path)).arrayBuffer() // loads modules and files
  const results: UnreadResult[] = []
  for (const attack of attacks) results.push({ ...attack, ...(await resist(server, attack, seconds)) })
  await server.stop()
  return results
}

async function resist(server: ServerProcess, attack: (typeof attacks)[number], seconds: number) {
  const before = server.rss()
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, server.rss())
  }, 20)
  const sockets = unreadRequests(server.origin, attack)
  const { p99 } = await loadServer(server, { path: '/secret', connections: 32, seconds })
  clearInterval(timer)
  for (const socket of sockets) socket.destroy()
  return { before, growth: most - before, p99 }
}

function unreadRequests(origin: string, { path, connections, pipelined }: (typeof attacks)[number]) {
  const { hostname: host, port } = new URL(origin)
  return Array.from({ length: connections }, () => {
    const socket = connect({ host, port: Number(port) })
    socket.on('error', () => {}).pause() // the service closes such connections
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(pipelined))
    return socket
  })
}
