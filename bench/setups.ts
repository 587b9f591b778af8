/** Measures the CPU time of a request for a secret with the set-ups that production uses, and on comparable stacks. */
import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { loadServer } from './load.ts'
import { cpuInTurns, type ProcessesPlan } from './processes.ts'
import { median } from './rounds.ts'
import {
  bareFastify,
  cherrypy,
  guardedFastify,
  moleculerWeb,
  nodeHttp,
  type Server,
  type ServerProcess,
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
  mostClients: 'production, 10,000 clients',
  noTracing: 'production, without trace-context',
  traceparent: 'production, requests with traceparent',
  neverSampled: 'production, tracing always_off',
  rarelySampled: 'production, tracing 1 %',
  alwaysSampled: 'production, tracing 100 %',
  tls: 'production, TLS',
} as const

/** @param endpoint the DynamoDB endpoint of the service */
export async function measureSetups(endpoint: string, plan: ProcessesPlan): Promise<SetupResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-setups-'))
  const collector = createServer((request, response) => request.resume().on('end', () => response.end()))
  await once(collector.listen(0, '127.0.0.1'), 'listening')
  const kinds = await serversOf(endpoint, folder, (collector.address() as AddressInfo).port) // not a pipe
  const started: Record<string, { readonly ready: number; readonly idle: number }[]> = {}
  const start = async () => {
    const servers: Record<string, ServerProcess> = {}
    for (const [name, kind] of Object.entries(kinds)) {
      const server = await startServer(kind, '/secret')
      started[name] = [...(started[name] ?? []), { ready: server.tookToAnswer, idle: server.rss() }]
      servers[name] = server
    }
    return servers
  }
  const cpu = await cpuInTurns(plan, start, cpuOf)
  collector.close()
  collector.closeAllConnections()
  rmSync(folder, { recursive: true })
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

async function serversOf(endpoint: string, folder: string, collectorPort: number): Promise<Record<string, Server>> {
  const production = withClients(endpoint, folder, 1)
  const traced = (sampler: string, argument = ''): Server => ({
    ...production,
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
    [setups.production]: production,
    [setups.manyClients]: withClients(endpoint, folder, 1_000),
    [setups.mostClients]: withClients(endpoint, folder, 10_000),
    [setups.noTracing]: withClients(endpoint, folder, 1, '--without', 'trace-context'),
    [setups.traceparent]: {
      ...production,
      headers: { ...production.headers, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
    },
    [setups.neverSampled]: traced('always_off'),
    [setups.rarelySampled]: traced('traceidratio', '0.01'),
    [setups.alwaysSampled]: traced('always_on'),
    [setups.tls]: { ...withClients(endpoint, folder, 1, ...(await certificate(folder))), scheme: 'https' },
  }
}

const tokenOf = (client: number) => `the-token-of-client-${client}`

/** The set-up of production: named clients with a scope, and a finite TTL. The requests are those of the last client. */
function withClients(endpoint: string, folder: string, count: number, ...options: string[]): Server {
  const clients = Array.from({ length: count }, (_, client) => ({
    name: `client-${client}`,
    tokens: [`sha256:${hash('sha256', tokenOf(client))}`],
    secrets: ['thedoctor'],
    may: ['secrets'],
  }))
  const file = join(folder, `${count}.json`)
  writeFileSync(file, JSON.stringify({ clients }))
  return {
    ...service(endpoint, '--clients', file, '--cache-ttl', '1m', ...options),
    headers: { authorization: `Bearer ${tokenOf(count - 1)}` },
  }
}

async function certificate(folder: string): Promise<string[]> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
    keyType: 'ec',
    algorithm: 'sha256',
  })
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  writeFileSync(certFile, cert)
  writeFileSync(keyFile, key)
  return ['--tls-cert', certFile, '--tls-key', keyFile]
}

async function cpuOf(server: ServerProcess, _name: string, seconds: number): Promise<number> {
  return (await loadServer(server, { path: '/secret', connections: 32, seconds })).cpu
}
