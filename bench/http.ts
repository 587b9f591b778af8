/** Measures the cost of a request to the service, to bare Fastify and to `node:http`. */
import { type LoadResult, loadServer } from './load.ts'
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

export interface HttpResult extends Omit<LoadResult, 'requests'> {
  readonly path: string
  readonly connections: number
  readonly server: string
  /** CPU time per request, in microseconds. */
  readonly cpu: number
  /** `cpu` divided by that of bare Fastify in the same rounds. */
  readonly ofBare: number
  /** `cpu` divided by that of Fastify writing the audit line, in the same rounds. */
  readonly ofWriting: number
}

export interface HttpPlan {
  /** Number of processes per server, one after another: what V8 optimizes differs from process to process. */
  readonly processes: number
  /** Rounds per process. */
  readonly rounds: number
  readonly connections: readonly number[]
  /** Duration of the load in a round, in seconds. */
  readonly seconds: number
  /** Duration of the load before the first round, in seconds, in which V8 compiles the code. */
  readonly warmUp: number
}

type Sample = Awaited<ReturnType<typeof loadServer>>

const paths = ['/secret', '/health'] as const

/** @param endpoint the DynamoDB endpoint of the service */
export async function measureHttp(endpoint: string, plan: HttpPlan): Promise<HttpResult[]> {
  const cases = plan.connections.flatMap((connections) =>
    paths.map((path) => ({ path, connections, samples: {} as Record<string, Sample[]> })),
  )
  for (let process = 0; process < plan.processes; process += 1) {
    const servers = await startServers(endpoint)
    for (const server of Object.values(servers))
      for (const path of paths) await loadServer(server, { path, connections: 32, seconds: plan.warmUp })
    for (const { path, connections, samples } of cases) {
      const once = (server: ServerProcess) => loadServer(server, { path, connections, seconds: plan.seconds })
      add(await inTurns(plan.rounds, servers, once), samples)
    }
    for (const server of Object.values(servers)) await server.stop()
  }
  return cases.flatMap(({ path, connections, samples }) =>
    summaries(samples).map((summary) => ({ path, connections, ...summary })),
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

function summaries(all: Readonly<Record<string, readonly Sample[]>>): Omit<HttpResult, 'path' | 'connections'>[] {
  const cpuOf = (name: string) => (all[name] ?? []).map(({ cpu }) => cpu)
  return Object.entries(all).map(([server, samples]) => {
    const medianOf = (figure: keyof Sample) => median(samples.map((sample) => sample[figure]))
    return {
      server,
      requestsPerSecond: medianOf('requestsPerSecond'),
      p50: medianOf('p50'),
      p99: medianOf('p99'),
      p999: medianOf('p999'),
      cpu: medianOf('cpu'),
      ofBare: ratio(cpuOf(server), cpuOf('bare Fastify')),
      ofWriting: ratio(cpuOf(server), cpuOf('Fastify writing the line')),
    }
  })
}
