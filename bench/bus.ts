/** Measures the cost of a call on the bus and on comparable libraries. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { inTurns } from './rounds.ts'

/** Each library has a file in `calls/`. */
const libraries = ['direct', 'secret-bus', 'intercepted', 'moleculer', 'emittery'] as const

type Library = (typeof libraries)[number]

/** Nanoseconds per call, by library and kind of call. */
export type BusResults = Readonly<Record<Library, Readonly<Record<string, number>>>>

/**
 * Runs each library in a separate process per round. The result is the shortest time of all rounds, because load on the
 * machine only ever makes a call slower.
 * @param ms duration of the measurement of each kind of call in a round, in milliseconds
 */
export async function measureBus(rounds: number, ms: number): Promise<BusResults> {
  const files = Object.fromEntries(libraries.map((library) => [library, `calls/${library}.ts`]))
  const all = await inTurns(rounds, files, async (path): Promise<Record<string, number>> => {
    const args = ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL(path, import.meta.url)), `${ms}`]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    return JSON.parse(stdout)
  })
  const smallest = libraries.map((library) => {
    const rounds = all[library] ?? []
    const kinds = Object.keys(rounds[0] ?? {})
    const times = kinds.map((kind) => [kind, Math.min(...rounds.map((round) => round[kind] ?? Number.NaN))])
    return [library, Object.fromEntries(times)]
  })
  return Object.fromEntries(smallest)
}

/** The ratios that the targets limit: the time of a call on the bus divided by that of another library. */
export function busRatios(results: BusResults): Record<string, number> {
  // A library may be absent from the results of an earlier run.
  const timeOf = (library: Library, kind: string) => results[library]?.[kind] ?? Number.NaN
  const times = (kind: string, library: Library) => timeOf('secret-bus', kind) / timeOf(library, kind)
  return {
    'request, synchronous provider / direct await': times('synchronous answer', 'direct'),
    "request, synchronous provider / Moleculer's call": times('synchronous answer', 'moleculer'),
    'request, synchronous provider, no-op interceptor / none': 1 / times('synchronous answer', 'intercepted'),
    'request, asynchronous provider / direct await': times('asynchronous answer', 'direct'),
    "request, asynchronous provider, timeout / Moleculer's": times('asynchronous answer, timeout', 'moleculer'),
    "publish to 1 listener / emittery's emit": times('1 listener', 'emittery'),
    "publish to 10 listeners / emittery's emit": times('10 listeners', 'emittery'),
  }
}
