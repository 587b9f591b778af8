/** What a call costs on the bus, and with its peers. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { inTurns, median } from './rounds.ts'

/** A file in `calls/` each. */
const libraries = ['direct', 'secret-bus', 'moleculer', 'emittery', 'event-emitter', 'mitt'] as const

type Library = (typeof libraries)[number]

/** Nanoseconds that a call takes, by library, and there by the kind of call. */
export type BusResults = Readonly<Record<Library, Readonly<Record<string, number>>>>

/**
 * Each library has a process of its own in each round, and what counts is the median.
 * @param ms how long each kind of call is measured in a round
 */
export async function measureBus(rounds: number, ms: number): Promise<BusResults> {
  const files = Object.fromEntries(libraries.map((library) => [library, `calls/${library}.ts`]))
  const all = await inTurns(rounds, files, async (path): Promise<Record<string, number>> => {
    const args = ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL(path, import.meta.url)), `${ms}`]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    return JSON.parse(stdout)
  })
  const medians = libraries.map((library) => {
    const taken = all[library] ?? []
    const kinds = Object.keys(taken[0] ?? {})
    return [library, Object.fromEntries(kinds.map((kind) => [kind, median(taken.map((times) => times[kind] ?? 0))]))]
  })
  return Object.fromEntries(medians)
}

/** What the targets are about: how many times as much as somebody else's a call of ours takes. */
export function busRatios(results: BusResults): Record<string, number> {
  const ours = results['secret-bus']
  const times = (kind: string, library: Library, theirs = kind) => (ours[kind] ?? 0) / (results[library][theirs] ?? 0)
  return {
    'request, synchronous provider / direct await': times('synchronous answer', 'direct'),
    "request, synchronous provider / Moleculer's call": times('synchronous answer', 'moleculer'),
    'request, asynchronous provider / direct await': times('asynchronous answer', 'direct'),
    "request, asynchronous provider, timeout / Moleculer's": times('asynchronous answer, timeout', 'moleculer'),
    "publish to 1 listener / emittery's emit": times('1 listener', 'emittery'),
    "publish to 10 listeners / emittery's emit": times('10 listeners', 'emittery'),
  }
}
