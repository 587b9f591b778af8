/** What more secrets cost: each is read at the start, and held. */
import { load } from './load.ts'
import { inTurns, median } from './rounds.ts'
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
  /** Time on a processor for each request of one of them, in microseconds. */
  readonly cpu: number
}

export interface SecretsPlan {
  readonly counts: readonly number[]
  readonly rounds: number
}

export async function measureSecrets({ counts, rounds }: SecretsPlan): Promise<SecretsResult[]> {
  const servers: Record<string, ServerProcess> = {}
  const started: Omit<SecretsResult, 'cpu'>[] = []
  for (const secrets of counts) {
    const table = await startCountingTable()
    const names = Array.from({ length: secrets }, (_, number) => `secret-${number}`)
    const options = names.flatMap((name) => ['--code-name', name])
    const server = await startServer(service(table.endpoint, ...options), '/ready')
    started.push({ secrets, ready: server.tookToAnswer, reads: table.taken(), idle: server.rss() })
    servers[secrets] = server
    table.close()
  }
  const cpu = await inTurns(rounds, servers, async (server, secrets) => {
    const before = server.cpu()
    const url = `${server.origin}/secret/secret-${Number(secrets) - 1}`
    const { requests } = await load({ url, connections: 32, seconds: 1 })
    return (server.cpu() - before) / requests
  })
  for (const server of Object.values(servers)) await server.stop()
  return started.map((each) => ({ ...each, cpu: median(cpu[each.secrets] ?? []) }))
}
