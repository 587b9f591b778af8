/** Measures the cost of a document of clients, compared with one token. */
import { hash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadServer } from './load.ts'
import { cpuInTurns, type ProcessesPlan } from './processes.ts'
import { median } from './rounds.ts'
import { type Server, type ServerProcess, service, startServer } from './server-process.ts'

export interface ClientsResult {
  readonly clients: string
  /** Time from exec to the first response with the secret, in milliseconds. */
  readonly ready: number
  /** Resident memory at that time, in MB. */
  readonly idle: number
  /** CPU time per request, in microseconds. */
  readonly cpu: number
  /** Median of the quotients of `cpu` and that with one token in the same round. */
  readonly ofToken: number
  /** Minimum and maximum of these quotients. */
  readonly least: number
  readonly most: number
}

export interface ClientsPlan extends ProcessesPlan {
  /** Numbers of clients in the document. */
  readonly counts: readonly number[]
}

const oneToken = 'one token'

/** @param endpoint the DynamoDB endpoint of the service */
export async function measureClients(endpoint: string, { counts, ...plan }: ClientsPlan): Promise<ClientsResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-clients-'))
  const kinds = Object.fromEntries([
    [oneToken, withToken(endpoint, folder)],
    ...counts.map((count) => [nameOf(count), withClients(endpoint, folder, count)] as const),
  ])
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
  rmSync(folder, { recursive: true })
  return Object.entries(cpu).map(([clients, own]) => {
    const ratios = own.map((each, round) => each / (cpu[oneToken]?.[round] ?? Number.NaN))
    return {
      clients,
      ready: median((started[clients] ?? []).map(({ ready }) => ready)),
      idle: median((started[clients] ?? []).map(({ idle }) => idle)),
      cpu: median(own),
      ofToken: median(ratios),
      least: Math.min(...ratios),
      most: Math.max(...ratios),
    }
  })
}

const nameOf = (count: number) => `${count.toLocaleString('en')} client${count === 1 ? '' : 's'}`

const tokenOf = (client: number) => `the-token-of-client-${client}`

function withToken(endpoint: string, folder: string): Server {
  const file = join(folder, 'tokens')
  writeFileSync(file, tokenOf(0))
  return authenticated(service(endpoint, '--auth-token-file', file), tokenOf(0))
}

/** The requests are those of the last client. */
function withClients(endpoint: string, folder: string, count: number): Server {
  const clients = Array.from({ length: count }, (_, client) => ({
    name: `client-${client}`,
    tokens: [`sha256:${hash('sha256', tokenOf(client))}`],
    secrets: ['thedoctor'],
    may: ['secrets'],
  }))
  const file = join(folder, `${count}.json`)
  writeFileSync(file, JSON.stringify({ clients }))
  return authenticated(service(endpoint, '--clients', file), tokenOf(count - 1))
}

function authenticated(server: Server, token: string): Server {
  return { ...server, headers: { authorization: `Bearer ${token}` } }
}

async function cpuOf(server: ServerProcess, _name: string, seconds: number): Promise<number> {
  return (await loadServer(server, { path: '/secret', connections: 32, seconds })).cpu
}
