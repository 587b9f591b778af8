/** Load by wrk: a program of its own, in C, which takes less from what it measures than one on Node. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ServerProcess } from './server-process.ts'

const script = fileURLToPath(new URL('load.lua', import.meta.url))

export interface Load {
  readonly url: string
  /** Where the URL ends with a star: how many numbers there are to take in its place, one after another. */
  readonly numbers?: number
  /** Each sends the next request as soon as it has the reply. */
  readonly connections: number
  readonly seconds: number
  readonly headers?: Readonly<Record<string, string>>
}

export interface Answered {
  readonly requests: number
  readonly requestsPerSecond: number
  /** Time to the reply, in milliseconds: of half of the requests, of 99 in 100, of 999 in 1000. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

/** @throws if any request fails */
export async function load({ url, numbers, connections, seconds, headers = {} }: Load): Promise<Answered> {
  const given = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', script, ...given, url]
  const toScript = numbers === undefined ? [] : ['--', `${numbers}`]
  const { stdout } = await promisify(execFile)('wrk', [...args, ...toScript])
  const { requests, us, p50, p99, p999, faults } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
  if (faults > 0) throw new Error(`${faults} of ${requests} requests for ${url} failed`)
  const ms = (time: number) => time / 1_000
  return { requests, requestsPerSecond: (requests / us) * 1e6, p50: ms(p50), p99: ms(p99), p999: ms(p999) }
}

/** Loads a path of a server, and says what time on a processor that took for each request, too, in microseconds. */
export async function loadServer(
  { origin, headers, cpu }: ServerProcess,
  { path, ...rest }: Omit<Load, 'url' | 'headers'> & { readonly path: string },
): Promise<Answered & { readonly cpu: number }> {
  const before = cpu()
  const answered = await load({ url: origin + path, headers, ...rest })
  return { ...answered, cpu: (cpu() - before) / answered.requests }
}

/** Loads until so many requests have been answered. */
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

/** @throws with what to do, if it is not there */
export async function checkWrk(): Promise<void> {
  await promisify(execFile)('sh', ['-c', 'command -v wrk']).catch(() => {
    throw new Error(
      'wrk sends the load, and is not there: apt-get install wrk, or leave out what needs it with --only bus,start',
    )
  })
}
