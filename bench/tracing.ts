/** Measures the cost of tracing: its code present but off, the trace of the caller, and sampling. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loadServer } from './load.ts'
import { cpuInTurns, type ProcessesPlan } from './processes.ts'
import { median } from './rounds.ts'
import { type Server, type ServerProcess, service, startServer } from './server-process.ts'

export interface TracingResult {
  readonly tracing: string
  /** CPU time per request, in microseconds. */
  readonly cpu: number
  /** Median of the quotients of `cpu` and that without the code in the same round. */
  readonly ofAbsent: number
  /** Minimum and maximum of these quotients. */
  readonly least: number
  readonly most: number
}

const absent = 'absent (--without trace-context)'

/** @param endpoint the DynamoDB endpoint of the service */
export async function measureTracing(endpoint: string, plan: ProcessesPlan): Promise<TracingResult[]> {
  const collector = createServer((request, response) => request.resume().on('end', () => response.end())).listen(0)
  await once(collector, 'listening')
  const { port } = collector.address() as AddressInfo // not a pipe
  const exporting = (sampler: string, argument = ''): Server => ({
    ...service(endpoint),
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_TRACES_SAMPLER: sampler,
      OTEL_TRACES_SAMPLER_ARG: argument,
    },
  })
  const kinds: Record<string, Server> = {
    [absent]: service(endpoint, '--without', 'trace-context'),
    off: service(endpoint),
    'off, requests with traceparent': {
      ...service(endpoint),
      headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
    },
    always_off: exporting('always_off'),
    'traceidratio 0.01': exporting('traceidratio', '0.01'),
    always_on: exporting('always_on'),
  }
  const start = async () => {
    const servers: Record<string, ServerProcess> = {}
    for (const [name, kind] of Object.entries(kinds)) servers[name] = await startServer(kind, '/secret')
    return servers
  }
  const cpu = await cpuInTurns(plan, start, cpuOf)
  collector.close()
  collector.closeAllConnections()
  return Object.entries(cpu).map(([tracing, own]) => {
    const ratios = own.map((each, round) => each / (cpu[absent]?.[round] ?? Number.NaN))
    return {
      tracing,
      cpu: median(own),
      ofAbsent: median(ratios),
      least: Math.min(...ratios),
      most: Math.max(...ratios),
    }
  })
}

async function cpuOf(server: ServerProcess, _name: string, seconds: number): Promise<number> {
  return (await loadServer(server, { path: '/secret', connections: 32, seconds })).cpu
}
