/** How long a start takes: from exec to the first 200. */
import { inTurns, median, ratio } from './rounds.ts'
import { bareFastify, runNode, type Server, service, startServer } from './server-process.ts'

export interface StartResult {
  readonly what: string
  /** Milliseconds: the median, the least and the most. */
  readonly ms: number
  readonly least: number
  readonly most: number
  /** How many times that of bare Fastify. */
  readonly ofBare: number
}

/** @param endpoint of an emulator on this machine */
export async function measureStart(endpoint: string, rounds: number): Promise<StartResult[]> {
  const starting = (server: Server, path: string) => async () => {
    const started = await startServer(server, path)
    await started.stop()
    return started.tookToAnswer
  }
  const all = await inTurns(
    rounds,
    {
      'node -e 0, until it ends': () => runNode('-e', '0'),
      'bare Fastify, first 200 of /health': starting(bareFastify, '/health'),
      'service, first 200 of /health': starting(service(endpoint), '/health'),
      'service, first 200 of /ready': starting(service(endpoint), '/ready'),
    },
    (start) => start(),
  )
  const bare = all['bare Fastify, first 200 of /health'] ?? []
  return Object.entries(all).map(([what, times]) => ({
    what,
    ms: median(times),
    least: Math.min(...times),
    most: Math.max(...times),
    ofBare: ratio(times, bare),
  }))
}
