/** Measures the memory of a server: idle, after many requests and after many connections. */
import { setTimeout } from 'node:timers/promises'
import { loadAtLeast, loadServer } from './load.ts'
import { bareFastify, production, type Server, type ServerProcess, startServer } from './server-process.ts'

export interface MemoryResult {
  readonly server: string
  /** Resident memory in MB, as are the following. */
  readonly idle: number
  readonly afterFew: number
  readonly afterMany: number
  /** While 1,000 connections send requests. */
  readonly whileConnected: number
  /** After connections with one request each. */
  readonly afterConnections: number
}

export interface MemoryPlan {
  readonly few: number
  readonly many: number
  readonly connections: number
  /** Idle time before each reading of the memory, in milliseconds. */
  readonly rest: number
}

export async function measureMemory(endpoint: string, plan: MemoryPlan): Promise<MemoryResult[]> {
  return [
    await measureOne('bare Fastify', bareFastify, plan),
    await measureOne('production', production(endpoint), plan),
  ]
}

async function measureOne(server: string, kind: Server, plan: MemoryPlan): Promise<MemoryResult> {
  const { few, many, connections, rest } = plan
  const process = await startServer(kind, '/secret')
  const { headers } = process
  const url = `${process.origin}/secret`
  const idle = await rssOf(process, rest)
  await loadAtLeast(few, { url, connections: 32, headers })
  const afterFew = await rssOf(process, rest)
  await loadAtLeast(many - few, { url, connections: 32, headers })
  const afterMany = await rssOf(process, rest)
  const whileConnected = await rssWhileConnected(process, 1_000)
  await loadAtLeast(connections, { url, connections: 32, headers: { ...headers, connection: 'close' } })
  const afterConnections = await rssOf(process, rest)
  await process.stop()
  return { server, idle, afterFew, afterMany, whileConnected, afterConnections }
}

async function rssOf({ rss }: ServerProcess, rest: number): Promise<number> {
  await setTimeout(rest)
  return rss()
}

async function rssWhileConnected(server: ServerProcess, connections: number): Promise<number> {
  const loading = loadServer(server, { path: '/secret', connections, seconds: 3 })
  await setTimeout(2_000)
  const connected = server.rss()
  await loading
  return connected
}
