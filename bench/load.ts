/** Generates load with wrk, which is written in C and interferes with the measurement less than a client on Node.js. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ServerProcess } from './server-process.ts'

const script = fileURLToPath(new URL('load.lua', import.meta.url))

export interface Load {
  readonly url: string
  /** If the URL ends with `*`: requests replace it with the numbers from 0 to `numbers` - 1 in turn. */
  readonly numbers?: number
  /** Number of connections, each of which sends the next request when it has the response. */
  readonly connections: number
  readonly seconds: number
  readonly headers?: Readonly<Record<string, string>>
}

export interface LoadResult {
  readonly requests: number
  readonly requestsPerSecond: number
  /** 99th percentile of the response time, in milliseconds. */
  readonly p99: number
}

/** @throws Error if any request fails */
export async function load({ url, numbers, connections, seconds, headers = {} }: Load): Promise<LoadResult> {
  const headerArgs = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', script, ...headerArgs, url]
  const scriptArgs = numbers === undefined ? [] : ['--', `${numbers}`]
  const { stdout } = await promisify(execFile)('wrk', [...args, ...scriptArgs])
  const { requests, us, p99, faults } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
  if (faults > 0) throw new Error(`${faults} of ${requests} requests to ${url} failed`)
  return { requests, requestsPerSecond: (requests / us) * 1e6, p99: p99 / 1_000 }
}

/** Loads a path of a server and measures its CPU time per request, in microseconds. */
export async function loadServer(
  { origin, headers, cpu }: ServerProcess,
  { path, ...rest }: Omit<Load, 'url' | 'headers'> & { readonly path: string },
): Promise<LoadResult & { readonly cpu: number }> {
  const before = cpu()
  const result = await load({ url: origin + path, headers, ...rest })
  return { ...result, cpu: (cpu() - before) / result.requests }
}

/** Loads until at least this number of requests has been answered. */
export async function loadAtLeast(
  requests: number,
  { url, connections, headers }: Omit<Load, 'seconds'>,
): Promise<void> {
  let answered = 0
  while (answered < requests) {
    const seconds = Math.min(30, Math.ceil((requests - answered) / 20_000))
    answered += (await load({ url, connections, seconds, ...(headers && { headers }) })).requests
  }
}

/** @throws Error if wrk is not installed */
export async function checkWrk(): Promise<void> {
  await promisify(execFile)('sh', ['-c', 'command -v wrk']).catch(() => {
    throw new Error(
      'wrk is not installed: run apt-get install wrk, or measure only parts without load with --only bus,start',
    )
  })
}
