/**
 * Fails when something costs much more, beside its peers, than it did: compares ratios with those in `baseline.json`.
 *
 *     npm run bench:guard -- [--only bus,http,start,memory] [--renew]
 *
 * What seems to cost more is measured again, and the smallest ratio counts. `--renew` writes `baseline.json` instead: the largest
 * of three runs, since one during which a peer was slow would be too strict.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { busRatios } from './bus.ts'
import { measureParts, readArguments } from './parts.ts'
import { targets } from './targets.ts'

/**
 * By how many times a ratio may be above the baseline. In nine runs, five of them on a busy machine, one ratio was 1.56 times the
 * baseline, one 1.24 times the median of its kind, all others 1.13 at most: whatever takes the processor makes peers slower, too.
 */
const margin = 1.5

/** How often is measured at most. Noise makes a ratio too large now and then; what costs half as much again does so each time. */
const runs = 3

const file = new URL('baseline.json', import.meta.url)
const baseline: Record<string, number> = JSON.parse(readFileSync(file, 'utf8'))

const { isSet: renew, only } = readArguments('renew', ['bus'])
let ratios = await measured()
for (let run = 1; run < runs && (renew || worse(ratios).length > 0); run += 1)
  ratios = merged(ratios, await measured(), renew ? Math.max : Math.min)

if (renew) writeFileSync(file, `${JSON.stringify({ ...baseline, ...rounded(ratios) }, undefined, 2)}\n`)
else process.exitCode = reported(ratios)

async function measured(): Promise<Record<string, number>> {
  const results = await measureParts(only, false)
  return {
    ...(results.bus && busRatios(results.bus)),
    ...Object.fromEntries(targets(results).map(({ what, result }) => [what, result])),
  }
}

function merged(one: Record<string, number>, other: Record<string, number>, of: (...ratios: number[]) => number) {
  return Object.fromEntries(Object.entries(one).map(([what, ratio]) => [what, of(ratio, other[what] ?? ratio)]))
}

function worse(now: Record<string, number>): string[] {
  return Object.keys(now).filter((what) => (now[what] ?? 0) > then(what) * margin)
}

function then(what: string): number {
  const ratio = baseline[what]
  if (ratio === undefined) throw new Error(`${what} is not in baseline.json: npm run bench:guard -- --renew`)
  return ratio
}

/** The exit code that says so, too. */
function reported(now: Record<string, number>): number {
  const tooMuch = worse(now)
  for (const [what, ratio] of Object.entries(now)) {
    const isWorse = tooMuch.includes(what)
    process.stdout.write(`${what}: ${ratio.toFixed(3)}, was ${then(what).toFixed(3)}${isWorse ? ': WORSE' : ''}\n`)
  }
  process.stdout.write(
    `${tooMuch.length} of ${Object.keys(now).length} are more than ${margin} times what they were.\n`,
  )
  return tooMuch.length > 0 ? 1 : 0
}

function rounded(exact: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(exact).map(([what, ratio]) => [what, Number(ratio.toFixed(3))]))
}
