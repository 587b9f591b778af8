/** What a request costs: the service beside Fastify and Node by themselves. */
import { type Answered, load } from './load.ts'
import { inTurns, median, ratio } from './rounds.ts'
import {
  bareFastify,
  guardedService,
  nodeHttp,
  type ServerProcess,
  service,
  startServer,
  writingFastify,
} from './server-process.ts'

export interface HttpResult extends Omit<Answered, 'requests'> {
  readonly path: string
  readonly connections: number
  readonly server: string
  /** Time on a processor for each request, in microseconds. */
  readonly cpu: number
  /** How many times that of bare Fastify, and of Fastify writing the line: in the same rounds. */
  readonly ofBare: number
  readonly ofWriting: number
}

export interface HttpPlan {
  readonly rounds: number
  readonly connections: readonly number[]
  /** How long each is loaded in a round, in seconds. */
  readonly seconds: number
  /** How long each is loaded before, so that it is compiled. */
  readonly warmUp: number
}

const paths = ['/secret', '/health'] as const

/** @param endpoint of the DynamoDB that the service reads */
export async function measureHttp(endpoint: string, plan: HttpPlan): Promise<HttpResult[]> {
  const kinds = {
    'node:http': nodeHttp,
    'bare Fastify': bareFastify,
    'Fastify writing the line': writingFastify,
    service: service(endpoint),
    'service with a token': guardedService(endpoint),
  }
  const servers: Record<string, ServerProcess> = {}
  for (const [name, kind] of Object.entries(kinds)) servers[name] = await startServer(kind, '/secret')
  for (const server of Object.values(servers)) for (const path of paths) await once(server, path, 32, plan.warmUp)
  const results: HttpResult[] = []
  for (const connections of plan.connections)
    for (const path of paths) results.push(...(await compare(servers, path, connections, plan)))
  for (const server of Object.values(servers)) await server.stop()
  return results
}

/** Loads all of them in turns. */
async function compare(
  servers: Readonly<Record<string, ServerProcess>>,
  path: string,
  connections: number,
  { rounds, seconds }: HttpPlan,
): Promise<HttpResult[]> {
  const all = await inTurns(rounds, servers, (server) => once(server, path, connections, seconds))
  const cpuOf = (name: string) => (all[name] ?? []).map(({ cpu }) => cpu)
  return Object.entries(all).map(([server, taken]) => {
    const middle = (of: keyof Answered | 'cpu') => median(taken.map((each) => each[of]))
    return {
      path,
      connections,
      server,
      requestsPerSecond: middle('requestsPerSecond'),
      p50: middle('p50'),
      p99: middle('p99'),
      p999: middle('p999'),
      cpu: middle('cpu'),
      ofBare: ratio(cpuOf(server), cpuOf('bare Fastify')),
      ofWriting: ratio(cpuOf(server), cpuOf('Fastify writing the line')),
    }
  })
}

async function once({ origin, headers, cpu }: ServerProcess, path: string, connections: number, seconds: number) {
  const before = cpu()
  const answered = await load({ url: origin + path, connections, seconds, headers })
  return { ...answered, cpu: (cpu() - before) / answered.requests }
}
