/** What a run has shown, and what of it should not be. */
import type { Run } from './run.ts'
import type { Held } from './service.ts'

/** The part of a run after which growth is looked at: until then code is compiled, and pools find their size. */
const warmUp = 0.4

/** In minutes. What is left of a shorter run is too little to tell growth from chance. */
const leastToJudge = 0.9

/**
 * How fast memory may grow, in MB a minute. A sound service stays below 0.6 (heap, without garbage) and 3 (RSS) in runs of
 * two minutes, on a busy machine too. At 8,000 requests a minute, the limits are 190 bytes and 1.3 KB a request.
 */
const limits = { heap: 1.5, rss: 10 }

/** In MB a minute: the slope of the line that fits best (least squares). `undefined` for a run that is too short. */
function growthOf(run: Run, quantity: 'heap' | 'rss'): number | undefined {
  if (duration(run) < leastToJudge) return undefined
  const samples = run.during.slice(run.during.length * warmUp)
  const mean = (of: (sample: Held) => number) => sum(samples.map(of)) / samples.length
  const at = mean((sample) => sample.at)
  const value = mean((sample) => sample[quantity])
  return mean((sample) => (sample.at - at) * (sample[quantity] - value)) / mean((sample) => (sample.at - at) ** 2)
}

/** In minutes. */
function duration({ before, during }: Run): number {
  return (during.at(-1)?.at ?? 0) - before.at
}

/** A line for each thing that is wrong. */
export function whatIsWrong(run: Run): string[] {
  const { tally, before, after, exit } = run
  const wrong = [...tally.failures].map(([what, times]) => `${times} times: ${what}`)
  for (const quantity of ['heap', 'rss'] as const) {
    const grown = growthOf(run, quantity) ?? 0
    if (grown > limits[quantity]) wrong.push(`${quantity} grows by ${grown.toFixed(1)} MB a minute`)
  }
  for (const quantity of ['files', 'resources'] as const) {
    const left = after[quantity] - before[quantity]
    if (left > 0) wrong.push(`${left} ${quantity} are left`)
  }
  if (exit !== 0) wrong.push(`the service ended with ${exit}`)
  return wrong
}

/** All figures, for people. */
export function report(run: Run): string {
  const { tally, before, during, after, exit } = run
  const line = (what: string, ...figures: unknown[]) => {
    return what.padEnd(44) + figures.map((figure) => String(figure).padStart(12)).join('')
  }
  const holding = (what: string, quantity: Exclude<keyof Held, 'at'>, ...figures: string[]) => {
    const peak = Math.max(...during.map((sample) => sample[quantity]))
    return line(what, ...[before[quantity], after[quantity], peak].map(Math.round), ...figures)
  }
  const growing = (quantity: 'heap' | 'rss') => {
    return [growthOf(run, quantity)?.toFixed(2) ?? 'not judged', String(limits[quantity])]
  }
  return [
    line('seconds under load', Math.round(duration(run) * 60)),
    ...[...tally.counts].sort().map(([what, times]) => line(what, times)),
    line('failures', sum(tally.failures.values())),
    line('exit code', exit),
    '',
    line('the service held', 'at start', 'at the end', 'at most', 'a minute', 'limit'),
    holding('MB of heap, without garbage', 'heap', ...growing('heap')),
    holding('MB of memory (RSS)', 'rss', ...growing('rss')),
    holding('open files and sockets', 'files'),
    holding('resources of the event loop', 'resources'),
    '',
  ].join('\n')
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, number) => total + number, 0)
}
