/**
 * Fails when something costs much more, beside its peers, than it did: compares ratios with those in `baseline.json`.
 *
 *     npm run bench:guard -- [--only bus,http,start,memory] [--renew]
 *
 * `--renew` writes the ratios of this run into `baseline.json` instead.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { busRatios } from './bus.ts'
import { measureParts, readArguments } from './parts.ts'
import { targets } from './targets.ts'

/** By how many times a ratio may be above the baseline. */
const margin = 1.5

const file = new URL('baseline.json', import.meta.url)
const baseline: Record<string, number> = JSON.parse(readFileSync(file, 'utf8'))

const { isSet: renew, only } = readArguments('renew', ['bus'])
const results = await measureParts(only, false)
const ratios: Record<string, number> = {
  ...(results.bus && busRatios(results.bus)),
  ...Object.fromEntries(targets(results).map(({ what, result }) => [what, result])),
}

if (renew) writeFileSync(file, `${JSON.stringify({ ...baseline, ...rounded(ratios) }, undefined, 2)}\n`)
else process.exitCode = compared(ratios)

function compared(measured: Record<string, number>): number {
  let worse = 0
  for (const [what, now] of Object.entries(measured)) {
    const then = baseline[what]
    if (then === undefined) throw new Error(`${what} is not in baseline.json: npm run bench:guard -- --renew`)
    const isWorse = now > then * margin
    if (isWorse) worse += 1
    process.stdout.write(`${what}: ${now.toFixed(3)}, was ${then.toFixed(3)}${isWorse ? ': WORSE' : ''}\n`)
  }
  process.stdout.write(`${worse} of ${Object.keys(measured).length} are more than ${margin} times what they were.\n`)
  return worse > 0 ? 1 : 0
}

function rounded(measured: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(measured).map(([what, ratio]) => [what, Number(ratio.toFixed(3))]))
}
