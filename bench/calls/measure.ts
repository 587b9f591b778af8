/** Measures the calls of one library in a process of its own, so that none has been compiled with another in view. */
import { measure } from 'mitata'

/** What a call is made with. */
export const query = { codeName: 'thedoctor' }
export const value = { value: 'run' }

export type Query = typeof query
export type Value = typeof value

/** So many in a row are measured together, or the clock would be measured with them. */
const inARow = 1_000

export interface Calls {
  /** Those that are awaited, by what the results call them. */
  readonly awaited?: Readonly<Record<string, () => unknown>>
  /** Those that return when they are done. */
  readonly direct?: Readonly<Record<string, () => unknown>>
}

/** Prints the nanoseconds that each call takes, as JSON. The first argument is how long each is measured, in milliseconds. */
export async function print({ awaited = {}, direct = {} }: Calls): Promise<void> {
  const loops = [
    ...Object.entries(awaited).map(([name, call]) => [name, awaitedLoop(call)] as const),
    ...Object.entries(direct).map(([name, call]) => [name, directLoop(call)] as const),
  ]
  const results: Record<string, number> = {}
  for (const [name, loop] of loops) {
    const { p50 } = await measure(loop, { min_cpu_time: Number(process.argv[2]) * 1e6, batch_unroll: 1 })
    results[name] = p50 / inARow
  }
  process.stdout.write(JSON.stringify(results))
}

// Each has a loop of its own: one for all of them would be compiled for none.
const awaitedLoop = (call: () => unknown) => loop('async', 'await call()', call)
const directLoop = (call: () => unknown) => loop('', 'call()', call)

function loop(kind: string, statement: string, call: () => unknown): () => unknown {
  return new Function('call', `return ${kind} () => { for (let i = 0; i < ${inARow}; i += 1) ${statement} }`)(call)
}
