/** Evaluates a run and formats its results. */
import type { Run } from './run.ts'
import type { Resources } from './service.ts'

/** The fraction of a run that is excluded as warm-up: V8 compiles code, and pools fill up. */
const warmUp = 0.4

/** In minutes. The rest of a shorter run is too short to distinguish growth from noise. */
const shortestDuration = 0.9

/**
 * The limits of memory growth, in MB per minute. Without a leak, growth stays below 0.6 (heap after garbage collection)
 * and 3 (RSS) in runs of two minutes, even on a loaded machine. At 8,000 requests per minute, the limits correspond to
 * 190 bytes and 1.3 KB per request.
 */
const limits = { heap: 1.5, rss: 10 }

/** Growth in MB per minute: the slope of a least squares fit. `undefined` if the run is too short. */
function growthOf(run: Run, quantity: 'heap' | 'rss'): number | undefined {
  if (duration(run) < shortestDuration) return undefined
  const samples = run.during.slice(run.during.length * warmUp)
  const mean = (of: (sample: Resources) => number) => sum(samples.map(of)) / samples.length
  const at = mean((sample) => sample.at)
  const value = mean((sample) => sample[quantity])
  return mean((sample) => (sample.at - at) * (sample[quantity] - value)) / mean((sample) => (sample.at - at) ** 2)
}

/** The duration of the load, in minutes. */
function duration({ before, during }: Run): number {
  return (during.at(-1)?.at ?? 0) - before.at
}

/** Describes each problem of the run in one line. */
export function problemsOf(run: Run): string[] {
  const { tally, before, after, exit } = run
  const problems = [...tally.failures].map(([name, count]) => `${count} times: ${name}`)
  for (const quantity of ['heap', 'rss'] as const) {
    const growth = growthOf(run, quantity) ?? 0
    if (growth > limits[quantity])
      problems.push(`${quantity} grows by ${growth.toFixed(1)} MB per minute, the limit is ${limits[quantity]}`)
  }
  for (const [quantity, name] of [['files', 'open files'] as const, ['active', 'active resources'] as const]) {
    const leaked = after[quantity] - before[quantity]
    if (leaked > 0) problems.push(`${leaked} ${name} leaked`)
  }
  if (exit !== 0) problems.push(`the service exited with ${exit}`)
  return problems
}

/** Formats all figures as text. */
export function report(run: Run): string {
  const { tally, before, during, after, exit } = run
  const line = (label: string, ...figures: unknown[]) => {
    return label.padEnd(44) + figures.map((figure) => String(figure).padStart(12)).join('')
  }
  const usage = (label: string, quantity: Exclude<keyof Resources, 'at'>, ...figures: string[]) => {
    const peak = Math.max(...during.map((sample) => sample[quantity]))
    return line(label, ...[before[quantity], after[quantity], peak].map(Math.round), ...figures)
  }
  const growth = (quantity: 'heap' | 'rss') => {
    return [growthOf(run, quantity)?.toFixed(2) ?? 'too short', String(limits[quantity])]
  }
  return [
    line('seconds under load', Math.round(duration(run) * 60)),
    ...[...tally.counts].sort().map(([name, count]) => line(name, count)),
    line('failures', sum(tally.failures.values())),
    line('exit code', exit),
    '',
    line('resources of the service', 'before', 'after', 'maximum', 'per minute', 'limit'),
    usage('heap after garbage collection, MB', 'heap', ...growth('heap')),
    usage('resident memory (RSS), MB', 'rss', ...growth('rss')),
    usage('open files and sockets', 'files'),
    usage('active resources of the event loop', 'active'),
    '',
  ].join('\n')
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, number) => total + number, 0)
}
