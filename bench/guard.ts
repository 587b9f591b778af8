/**
 * Fails when something costs much more, beside its peers, than it did: compares ratios with those in `baseline.json`.
 *
 *     npm run bench:guard -- [--only bus,http,start,memory] [--renew]
 *
 * `--renew` writes `baseline.json` instead: the largest ratios of three runs, since one during which a peer was slow would
 * be too strict.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { busRatios } from './bus.ts'
import { measureParts, readArguments } from './parts.ts'
import { targets } from './targets.ts'

/**
 * By how many times a ratio may be above the baseline. In eight runs, four of them on a busy machine, the worst was 1.24 times
 * the median of its kind, all others 1.13 at most: whatever takes the processor makes peers slower, too. So this is twice as much
 * as noise has been, and still finds a call that takes half as long again.
 */
const margin = 1.5

const file = new URL('baseline.json', import.meta.url)
const baseline: Record<string, number> = JSON.parse(readFileSync(file, 'utf8'))

const { isSet: renew, only } = readArguments('renew', ['bus'])
const ratios: Record<string, number> = {}
for (let run = 0; run < (renew ? 3 : 1); run += 1)
  for (const [what, ratio] of Object.entries(await measured())) ratios[what] = Math.max(ratios[what] ?? 0, ratio)

if (renew) writeFileSync(file, `${JSON.stringify({ ...baseline, ...rounded(ratios) }, undefined, 2)}\n`)
else process.exitCode = compared(ratios)

async function measured(): Promise<Record<string, number>> {
  const results = await measureParts(only, false)
  return {
    ...(results.bus && busRatios(results.bus)),
    ...Object.fromEntries(targets(results).map(({ what, result }) => [what, result])),
  }
}

function compared(now: Record<string, number>): number {
  let worse = 0
  for (const [what, ratio] of Object.entries(now)) {
    const then = baseline[what]
    if (then === undefined) throw new Error(`${what} is not in baseline.json: npm run bench:guard -- --renew`)
    const isWorse = ratio > then * margin
    if (isWorse) worse += 1
    process.stdout.write(`${what}: ${ratio.toFixed(3)}, was ${then.toFixed(3)}${isWorse ? ': WORSE' : ''}\n`)
  }
  process.stdout.write(`${worse} of ${Object.keys(now).length} are more than ${margin} times what they were.\n`)
  return worse > 0 ? 1 : 0
}

function rounded(exact: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(exact).map(([what, ratio]) => [what, Number(ratio.toFixed(3))]))
}
