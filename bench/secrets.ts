/** What more secrets cost: each is read at the start, and held. */
import { loadServer } from './load.ts'
import { add, inTurns, median, ratio } from './rounds.ts'
import { type ServerProcess, service, startServer } from './server-process.ts'
import { startCountingTable } from './table.ts'

export interface SecretsResult {
  readonly secrets: number
  /** From exec until all of them have been read, in milliseconds. */
  readonly ready: number
  /** Calls that reached the table until then. */
  readonly reads: number
  /** Resident memory then, in MB. */
  readonly idle: number
  /** Time on a processor for each request, when they are asked for one after another, in microseconds. */
  readonly cpu: number
  /** How many times that with the first number of secrets: in the same rounds. */
  readonly ofFirst: number
}

export interface SecretsPlan {
  readonly counts: readonly number[]
  /** As for `HttpPlan`. */
  readonly processes: number
  readonly rounds: number
  readonly warmUp: number
}

type Started = Pick<SecretsResult, 'ready' | 'reads' | 'idle'>

export async function measureSecrets({ counts, processes, rounds, warmUp }: SecretsPlan): Promise<SecretsResult[]> {
  const started: Record<string, Started[]> = {}
  const cpu: Record<string, number[]> = {}
  for (let process = 0; process < processes; process += 1) {
    const servers: Record<string, ServerProcess> = {}
    for (const secrets of counts) {
      const { server, ...measured } = await startWith(secrets)
      await cpuOf(server, secrets, warmUp)
      add({ [secrets]: [measured] }, started)
      servers[secrets] = server
    }
    add(await inTurns(rounds, servers, (server, secrets) => cpuOf(server, Number(secrets), 1)), cpu)
    for (const server of Object.values(servers)) await server.stop()
  }
  return counts.map((secrets) => {
    const middle = (of: keyof Started) => median((started[secrets] ?? []).map((each) => each[of]))
    const [mine = [], first = []] = [cpu[secrets], cpu[`${counts[0]}`]]
    return {
      ...{ secrets, ready: middle('ready'), reads: middle('reads'), idle: middle('idle') },
      ...{ cpu: median(mine), ofFirst: ratio(mine, first) },
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

async function cpuOf(server: ServerProcess, secrets: number, seconds: number): Promise<number> {
  return (await loadServer(server, { path: '/secret/secret-*', numbers: secrets, connections: 32, seconds })).cpu
}
