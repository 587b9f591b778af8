/** What a request costs: the service beside Fastify and Node by themselves. */
import { type Answered, loadServer } from './load.ts'
import { add, inTurns, median, ratio } from './rounds.ts'
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
  /** How many processes of each server are measured, one after another: V8 compiles each by what it happens to see first. */
  readonly processes: number
  /** In each of them. */
  readonly rounds: number
  readonly connections: readonly number[]
  /** How long each is loaded in a round, in seconds. */
  readonly seconds: number
  /** How long each is loaded before, so that it is compiled. */
  readonly warmUp: number
}

type Taken = Awaited<ReturnType<typeof loadServer>>

const paths = ['/secret', '/health'] as const

/** @param endpoint of the DynamoDB that the service reads */
export async function measureHttp(endpoint: string, plan: HttpPlan): Promise<HttpResult[]> {
  const cases = plan.connections.flatMap((connections) =>
    paths.map((path) => ({ path, connections, taken: {} as Record<string, Taken[]> })),
  )
  for (let process = 0; process < plan.processes; process += 1) {
    const servers = await startServers(endpoint)
    for (const server of Object.values(servers))
      for (const path of paths) await loadServer(server, { path, connections: 32, seconds: plan.warmUp })
    for (const { path, connections, taken } of cases) {
      const once = (server: ServerProcess) => loadServer(server, { path, connections, seconds: plan.seconds })
      add(await inTurns(plan.rounds, servers, once), taken)
    }
    for (const server of Object.values(servers)) await server.stop()
  }
  return cases.flatMap(({ path, connections, taken }) =>
    summaries(taken).map((summary) => ({ path, connections, ...summary })),
  )
}

async function startServers(endpoint: string): Promise<Record<string, ServerProcess>> {
  const kinds = {
    'node:http': nodeHttp,
    'bare Fastify': bareFastify,
    'Fastify writing the line': writingFastify,
    service: service(endpoint),
    'service with a token': guardedService(endpoint),
  }
  const servers: Record<string, ServerProcess> = {}
  for (const [name, kind] of Object.entries(kinds)) servers[name] = await startServer(kind, '/secret')
  return servers
}

function summaries(all: Readonly<Record<string, readonly Taken[]>>): Omit<HttpResult, 'path' | 'connections'>[] {
  const cpuOf = (name: string) => (all[name] ?? []).map(({ cpu }) => cpu)
  return Object.entries(all).map(([server, taken]) => {
    const middle = (of: keyof Taken) => median(taken.map((each) => each[of]))
    return {
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
