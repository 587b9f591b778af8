/** Measures the CPU time per request of servers, alternately, in several processes of each. */
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
 * @param cpuOf loads a server for a number of seconds and returns its CPU time per request, in microseconds
 * @returns the results of `cpuOf` by server, in the order of the rounds
 */
export async function cpuInTurns(
  { processes, rounds, warmUp }: ProcessesPlan,
  start: () => Promise<Readonly<Record<string, ServerProcess>>>,
  cpuOf: (server: ServerProcess, name: string, seconds: number) => Promise<number>,
): Promise<Record<string, number[]>> {
  const cpu: Record<string, number[]> = {}
  for (let process = 0; process < processes; process += 1) {
    const servers = await start()
    for (const [name, server] of Object.entries(servers)) await cpuOf(server, name, warmUp)
    add(await inTurns(rounds, servers, (server, name) => cpuOf(server, name, 1)), cpu)
    for (const server of Object.values(servers)) await server.stop()
  }
  return cpu
}
