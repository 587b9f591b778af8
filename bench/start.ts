/** Measures the time of a start, from exec to the first response with 200. */
import { inTurns, median, ratio } from './rounds.ts'
import { bareFastify, production, type Server, service, startServer } from './server-process.ts'

export interface StartResult {
  readonly what: string
  /** Median in milliseconds. */
  readonly ms: number
  /** Minimum and maximum in milliseconds. */
  readonly least: number
  readonly most: number
  /** `ms` divided by that of bare Fastify. */
  readonly ofBare: number
}

/** @param endpoint the endpoint of a DynamoDB emulator on this machine */
export async function measureStart(endpoint: string, rounds: number): Promise<StartResult[]> {
  const starting = (server: Server, path: string) => async () => {
    const started = await startServer(server, path)
    await started.stop()
    return started.tookToAnswer
  }
  const all = await inTurns(
    rounds,
    {
      'bare Fastify, first 200 of /health': starting(bareFastify, '/health'),
      'service, first 200 of /health': starting(service(endpoint), '/health'),
      'production, first 200 of /health': starting(production(endpoint), '/health'),
      'production, first 200 of /ready': starting(production(endpoint), '/ready'),
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
