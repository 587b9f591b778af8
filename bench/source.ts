/** What the source is asked for: each reading of a table is paid for. */
import { setTimeout } from 'node:timers/promises'
import { loadAtLeast } from './load.ts'
import { service, startServer } from './server-process.ts'
import { startCountingTable } from './table.ts'

export interface SourceResult {
  readonly setting: string
  readonly requests: number
  /** Calls that reached the table, tries of the SDK included. */
  readonly reads: number
  /** How long that took, in seconds. */
  readonly seconds: number
}

export interface SourcePlan {
  readonly requests: number
  /** How long the table is out, in seconds. */
  readonly outage: number
}

export async function measureSource({ requests, outage }: SourcePlan): Promise<SourceResult[]> {
  const results: SourceResult[] = []
  for (const ttl of ['forever', '10s', '1s', '0']) results.push(await readsUnderLoad(ttl, requests))
  results.push(await readsInOutage('a held secret, 10 requests/s', ['--cache-ttl', '1s'], outage, '/secret'))
  results.push(await readsInOutage('no secret yet, 10 requests/s', [], outage, '/health'))
  return results
}

async function readsUnderLoad(ttl: string, requests: number): Promise<SourceResult> {
  const table = await startCountingTable()
  const { origin, stop } = await startServer(service(table.endpoint, '--cache-ttl', ttl), '/ready')
  const began = performance.now()
  await loadAtLeast(requests, { url: `${origin}/secret`, connections: 32 })
  const seconds = (performance.now() - began) / 1_000
  const result = { setting: `--cache-ttl ${ttl}`, requests, reads: table.taken(), seconds }
  await stop()
  table.close()
  return result
}

/** @param path what is answered before the outage, if there is to be a secret by then */
async function readsInOutage(setting: string, options: string[], seconds: number, path: string): Promise<SourceResult> {
  const table = await startCountingTable()
  table.out = path !== '/secret'
  const { origin, stop } = await startServer(service(table.endpoint, '--log-level', 'fatal', ...options), path)
  table.out = true
  table.taken()
  const requests = seconds * 10
  for (let sent = 0; sent < requests; sent += 1) {
    const reply = await fetch(`${origin}/secret`)
    await reply.body?.cancel()
    await setTimeout(100)
  }
  const result = { setting: `outage: ${setting}`, requests, reads: table.taken(), seconds }
  await stop()
  table.close()
  return result
}
