/** Measures the CPU time of a request for a secret with the set-ups that production uses, and on comparable stacks. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loadServer } from './load.ts'
import { measureProcesses, type ProcessesPlan } from './processes.ts'
import { median } from './rounds.ts'
import {
  bareFastify,
  cherrypy,
  guardedFastify,
  moleculerWeb,
  nodeHttp,
  production,
  type Server,
  type ServerProcess,
  secureProduction,
  service,
  startServer,
} from './server-process.ts'

export interface SetupResult {
  readonly setup: string
  /** Time from exec to the first response with the secret, in milliseconds. */
  readonly ready: number
  /** Resident memory at that time, in MB. */
  readonly idle: number
  /** CPU time per request in microseconds: for each process, the median of its rounds. */
  readonly cpu: readonly number[]
}

export const setups = {
  bare: 'bare Fastify',
  guarded: 'Fastify with line and bearer-auth',
  nodeHttp: 'node:http',
  moleculer: 'Moleculer web gateway',
  seed: 'CherryPy, boto3, lru_cache',
  plain: 'without a token',
  production: 'production',
  manyClients: 'production, 1,000 clients',
  noTracing: 'production, without trace-context',
  traceparent: 'production, requests with traceparent',
  rarelySampled: 'production, tracing 1 %',
  alwaysSampled: 'production, tracing 100 %',
  tls: 'production, TLS',
} as const

export interface SetupsPlan extends ProcessesPlan {
  /** All by default. */
  readonly only?: readonly string[]
}

/** @param endpoint the DynamoDB endpoint of the service */
export async function measureSetups(endpoint: string, { only, ...plan }: SetupsPlan): Promise<SetupResult[]> {
  const collector = createServer((request, response) => request.resume().on('end', () => response.end()))
  await once(collector.listen(0, '127.0.0.1'), 'listening')
  const kinds = await serversOf(endpoint, (collector.address() as AddressInfo).port) // not a pipe
  const started: Record<string, { readonly ready: number; readonly idle: number }[]> = {}
  const start = async () => {
    const servers: Record<string, ServerProcess> = {}
    for (const [name, kind] of Object.entries(kinds).filter(([name]) => only?.includes(name) ?? true)) {
      const server = await startServer(kind, '/secret')
      started[name] = [...(started[name] ?? []), { ready: server.tookToAnswer, idle: server.rss() }]
      servers[name] = server
    }
    return servers
  }
  const cpu = await measureProcesses(plan, start, cpuOf)
  collector.close()
  collector.closeAllConnections()
  return Object.entries(cpu).map(([setup, samples]) => ({
    setup,
    ready: median((started[setup] ?? []).map(({ ready }) => ready)),
    idle: median((started[setup] ?? []).map(({ idle }) => idle)),
    cpu: Array.from({ length: plan.processes }, (_, process) =>
      median(samples.slice(process * plan.rounds, (process + 1) * plan.rounds)),
    ),
  }))
}

/** The quotients of the CPU times of two set-ups, one for each process, in the order of size; empty if one is absent. */
export function cpuRatios(results: readonly SetupResult[], setup: string, base: string): number[] {
  const cpuOf = (name: string) => results.find((result) => result.setup === name)?.cpu ?? []
  const bases = cpuOf(base)
  return cpuOf(setup)
    .map((cpu, process) => cpu / (bases[process] ?? Number.NaN))
    .filter((quotient) => !Number.isNaN(quotient))
    .toSorted((one, other) => one - other)
}

/** The median of these quotients. */
export function cpuRatio(...args: Parameters<typeof cpuRatios>): number | undefined {
  const quotients = cpuRatios(...args)
  return quotients.length === 0 ? undefined : median(quotients)
}

async function serversOf(endpoint: string, collectorPort: number): Promise<Record<string, Server>> {
  const usual = production(endpoint)
  const traced = (sampler: string, argument = ''): Server => ({
    ...usual,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collectorPort}`,
      OTEL_TRACES_SAMPLER: sampler,
      OTEL_TRACES_SAMPLER_ARG: argument,
    },
  })
  const hasCherrypy = spawnSync('/usr/bin/python3', ['-c', 'import cherrypy, boto3']).status === 0
  if (!hasCherrypy)
    process.stderr.write('CherryPy is left out: run apt-get install python3-cherrypy3 python3-boto3 to include it\n')
  return {
    [setups.bare]: bareFastify,
    [setups.guarded]: guardedFastify,
    [setups.nodeHttp]: nodeHttp,
    [setups.moleculer]: moleculerWeb,
    ...(hasCherrypy && { [setups.seed]: cherrypy(endpoint) }),
    [setups.plain]: service(endpoint),
    [setups.production]: usual,
    [setups.manyClients]: production(endpoint, [], 1_000),
    [setups.noTracing]: production(endpoint, ['--without', 'trace-context']),
    [setups.traceparent]: {
      ...usual,
      headers: { ...usual.headers, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
    },
    [setups.rarelySampled]: traced('traceidratio', '0.01'),
    [setups.alwaysSampled]: traced('always_on'),
    [setups.tls]: await secureProduction(endpoint),
  }
}

async function cpuOf(server: ServerProcess, _name: string, seconds: number): Promise<number> {
  return (await loadServer(server, { path: '/secret', connections: 32, seconds })).cpu
}
