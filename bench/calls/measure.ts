/** Measures the calls of one library in a separate process, so that no other library affects its compilation. */
import { measure } from 'mitata'

/** The payload of each call. */
export const query = { codeName: 'thedoctor' }
export const value = { value: 'run' }

export type Query = typeof query
export type Value = typeof value

/** Calls per measurement. A single call would be too short for the clock. */
const batchSize = 1_000

export interface Calls {
  /** Asynchronous calls, by their names in the results. */
  readonly awaited?: Readonly<Record<string, () => unknown>>
  /** Synchronous calls, by their names in the results. */
  readonly direct?: Readonly<Record<string, () => unknown>>
}

/** Prints the nanoseconds per call as JSON. The first argument is the duration of each measurement in milliseconds. */
export async function print({ awaited = {}, direct = {} }: Calls): Promise<void> {
  const loops = [
    ...Object.entries(awaited).map(([name, call]) => [name, awaitedLoop(call)] as const),
    ...Object.entries(direct).map(([name, call]) => [name, directLoop(call)] as const),
  ]
  const results: Record<string, number> = {}
  for (const [name, loop] of loops) {
    const { min } = await measure(loop, { min_cpu_time: Number(process.argv[2]) * 1e6, batch_unroll: 1 })
    results[name] = min / batchSize
  }
  process.stdout.write(JSON.stringify(results))
}

// Each call has its own loop, because V8 cannot optimize a shared one for each of them.
const awaitedLoop = (call: () => unknown) => loop('async', 'await call()', call)
const directLoop = (call: () => unknown) => loop('', 'call()', call)

function loop(kind: string, statement: string, call: () => unknown): () => unknown {
  return new Function('call', `return ${kind} () => { for (let i = 0; i < ${batchSize}; i += 1) ${statement} }`)(call)
}
