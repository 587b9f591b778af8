/** Measures throughput and latency of the production set-up and of bare Fastify with different numbers of connections. */
import { type LoadResult, loadServer } from './load.ts'
import { measureProcesses, type ProcessesPlan } from './processes.ts'
import { median, ratio } from './rounds.ts'
import { bareFastify, production, type ServerProcess, startServer } from './server-process.ts'

export interface HttpResult extends Omit<LoadResult, 'requests'> {
  readonly connections: number
  readonly server: string
  /** CPU time per request, in microseconds. */
  readonly cpu: number
  /** `cpu` divided by that of bare Fastify in the same rounds. */
  readonly ofBare: number
}

type Sample = Awaited<ReturnType<typeof loadServer>>

const connections = [1, 32, 256]

/** @param endpoint the DynamoDB endpoint of the service */
export async function measureHttp(endpoint: string, plan: ProcessesPlan): Promise<HttpResult[]> {
  const start = async () => ({
    'bare Fastify': await startServer(bareFastify, '/secret'),
    production: await startServer(production(endpoint), '/secret'),
  })
  const rounds = await measureProcesses(plan, start, measureAll)
  return connections.flatMap((connections, index) => {
    const samplesOf = (server: string) => (rounds[server] ?? []).flatMap((samples) => samples[index] ?? [])
    const cpuOf = (server: string) => samplesOf(server).map(({ cpu }) => cpu)
    return Object.keys(rounds).map((server) => {
      const medianOf = (figure: keyof Sample) => median(samplesOf(server).map((sample) => sample[figure]))
      return {
        connections,
        server,
        requestsPerSecond: medianOf('requestsPerSecond'),
        p99: medianOf('p99'),
        cpu: medianOf('cpu'),
        ofBare: ratio(cpuOf(server), cpuOf('bare Fastify')),
      }
    })
  })
}

async function measureAll(server: ServerProcess, _name: string, seconds: number): Promise<Sample[]> {
  const samples: Sample[] = []
  for (const each of connections)
    samples.push(await loadServer(server, { path: '/secret', connections: each, seconds }))
  return samples
}
