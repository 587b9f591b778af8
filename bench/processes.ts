/** Measures servers alternately, in several processes of each. */
import { add, inTurns } from './rounds.ts'
import type { ServerProcess } from './server-process.ts'

export interface ProcessesPlan {
  /** Number of processes per server, one after another: what V8 optimizes differs from process to process. */
  readonly processes: number
  /** Rounds of one second per process. */
  readonly rounds: number
  /** Duration of the load before the first round, in seconds, in which V8 compiles the code. */
  readonly warmUp: number
}

/**
 * @param start starts one process of each server
 * @param measure loads a server for a number of seconds
 * @returns what `measure` returned by server, in the order of the rounds, without the warm-up
 */
export async function measureProcesses<Result>(
  { processes, rounds, warmUp }: ProcessesPlan,
  start: () => Promise<Readonly<Record<string, ServerProcess>>>,
  measure: (server: ServerProcess, name: string, seconds: number) => Promise<Result>,
): Promise<Record<string, Result[]>> {
  const results: Record<string, Result[]> = {}
  for (let process = 0; process < processes; process += 1) {
    const servers = await start()
    for (const [name, server] of Object.entries(servers)) await measure(server, name, warmUp)
    add(await inTurns(rounds, servers, (server, name) => measure(server, name, 1)), results)
    for (const server of Object.values(servers)) await server.stop()
  }
  return results
}
