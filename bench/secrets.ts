/** Measures the cost of many secrets, each of which is read at the start and cached. */
import { loadServer } from './load.ts'
import { measureProcesses, type ProcessesPlan } from './processes.ts'
import { add, median, ratio } from './rounds.ts'
import { type ServerProcess, service, startServer } from './server-process.ts'
import { startCountingTable } from './table.ts'

export interface SecretsResult {
  readonly secrets: number
  /** Time from exec until all secrets have been read, in milliseconds. */
  readonly ready: number
  /** Requests to the table until then. */
  readonly reads: number
  /** Resident memory at that time, in MB. */
  readonly idle: number
  /** CPU time per request in microseconds, with requests for all secrets in turn. */
  readonly cpu: number
  /** `cpu` divided by that with the first number of secrets, in the same rounds. */
  readonly ofFirst: number
}

export interface SecretsPlan extends ProcessesPlan {
  readonly counts: readonly number[]
}

type Started = Pick<SecretsResult, 'ready' | 'reads' | 'idle'>

export async function measureSecrets({ counts, ...plan }: SecretsPlan): Promise<SecretsResult[]> {
  const started: Record<string, Started[]> = {}
  const start = async () => {
    const servers: Record<string, ServerProcess> = {}
    for (const secrets of counts) {
      const { server, ...measured } = await startWith(secrets)
      add({ [secrets]: [measured] }, started)
      servers[secrets] = server
    }
    return servers
  }
  const cpu = await measureProcesses(plan, start, cpuOf)
  return counts.map((secrets) => {
    const medianOf = (figure: keyof Started) => median((started[secrets] ?? []).map((each) => each[figure]))
    const [own = [], first = []] = [cpu[secrets], cpu[`${counts[0]}`]]
    return {
      ...{ secrets, ready: medianOf('ready'), reads: medianOf('reads'), idle: medianOf('idle') },
      ...{ cpu: median(own), ofFirst: ratio(own, first) },
    }
  })
}

async function startWith(secrets: number): Promise<Started & { readonly server: ServerProcess }> {
  const table = await startCountingTable()
  const options = Array.from({ length: secrets }, (_, number) => ['--code-name', `secret-${number}`]).flat()
  const server = await startServer(service(table.endpoint, ...options), '/ready')
  const measured = { ready: server.tookToAnswer, reads: table.taken(), idle: server.rss() }
  table.close()
  return { server, ...measured }
}

async function cpuOf(server: ServerProcess, secrets: string, seconds: number): Promise<number> {
  const load = { path: '/secret/secret-*', numbers: Number(secrets), connections: 32, seconds }
  return (await loadServer(server, load)).cpu
}
