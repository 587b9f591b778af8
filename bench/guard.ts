/**
 * Detects performance regressions: fails if a ratio exceeds the one in `baseline.json` by more than the margin.
 *
 *     npm run bench:guard -- [--only bus,setups,start,memory] [--renew]
 *
 * If a ratio is too large, the measurement is repeated, and the smallest ratio counts. `--renew` writes `baseline.json`
 * instead, with the largest ratio of three runs, because a run in which a compared library was slow would set too strict a limit.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { busRatios } from './bus.ts'
import { guardPlan, measureParts, readArguments } from './parts.ts'
import { targets } from './targets.ts'

/**
 * The largest allowed quotient of a ratio and its baseline. In three runs on a machine whose medians differed by a factor
 * of two, each ratio of calls stayed within 15%.
 */
const marginOf = (what: string) => (what.startsWith('production') ? 1.35 : 1.5)

/** The maximum number of runs. Noise makes a ratio too large occasionally, but a regression does so in every run. */
const runs = 3

const file = new URL('baseline.json', import.meta.url)
const baseline: Record<string, number> = JSON.parse(readFileSync(file, 'utf8'))

const { isSet: renew, only } = readArguments('renew', ['bus', 'setups'])
let ratios = await measure()
for (let run = 1; run < runs && (renew || worse(ratios).length > 0); run += 1)
  ratios = merge(ratios, await measure(), renew ? Math.max : Math.min)

if (renew) writeFileSync(file, `${JSON.stringify({ ...baseline, ...round(ratios) }, undefined, 2)}\n`)
else process.exitCode = report(ratios)

async function measure(): Promise<Record<string, number>> {
  const results = await measureParts(only, guardPlan)
  return {
    ...(results.bus && busRatios(results.bus)),
    ...Object.fromEntries(targets(results).map(({ what, result }) => [what, result])),
  }
}

function merge(one: Record<string, number>, other: Record<string, number>, pick: (...ratios: number[]) => number) {
  return Object.fromEntries(Object.entries(one).map(([what, ratio]) => [what, pick(ratio, other[what] ?? ratio)]))
}

function worse(now: Record<string, number>): string[] {
  return Object.keys(now).filter((what) => (now[what] ?? 0) > baselineOf(what) * marginOf(what))
}

function baselineOf(what: string): number {
  const ratio = baseline[what]
  if (ratio === undefined) throw new Error(`No baseline for "${what}": run npm run bench:guard -- --renew`)
  return ratio
}

/** Prints the ratios and returns the exit code. */
function report(now: Record<string, number>): number {
  const regressions = worse(now)
  for (const [what, ratio] of Object.entries(now)) {
    const isWorse = regressions.includes(what)
    const suffix = isWorse ? ': WORSE' : ''
    process.stdout.write(
      `${what}: ${ratio.toFixed(3)}, limit ${marginOf(what)} × ${baselineOf(what).toFixed(3)}${suffix}\n`,
    )
  }
  process.stdout.write(`${regressions.length} of ${Object.keys(now).length} ratios exceed their limit.\n`)
  return regressions.length > 0 ? 1 : 0
}

function round(exact: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(exact).map(([what, ratio]) => [what, Number(ratio.toFixed(3))]))
}
