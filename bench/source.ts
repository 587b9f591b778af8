/** Counts the reads of the source, because AWS charges for each. */
import { setTimeout } from 'node:timers/promises'
import { loadAtLeast } from './load.ts'
import { service, startServer } from './server-process.ts'
import { startCountingTable } from './table.ts'

export interface SourceResult {
  readonly setting: string
  readonly requests: number
  /** Requests to the table, including retries of the SDK. */
  readonly reads: number
  /** Duration, in seconds. */
  readonly seconds: number
}

export interface SourcePlan {
  readonly requests: number
  /** Duration of the outage of the table, in seconds. */
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

/** @param path the path that must answer before the outage; `/secret` means with a cached secret */
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
