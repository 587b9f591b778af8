/**
 * Benchmarks the service and its bus against other libraries. Prints tables, writes `results.json` and draws the charts
 * of the documents.
 *
 *     npm run bench -- [--quick] [--only bus,setups,http,start,memory,unread,image,secrets]
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { drawCharts } from './charts.ts'
import { fullPlan, measureParts, parts, quickPlan, readArguments } from './parts.ts'
import type { Results } from './results.ts'
import { tables } from './tables.ts'
import { targets } from './targets.ts'

const { isSet: quick, only } = readArguments('quick')
const file = new URL('results.json', import.meta.url)
const before = previousRun()
const results: Results = { ...(await measureParts(only, quick ? quickPlan : fullPlan)), ...(before && { before }) }

process.stdout.write(`${tables(results)}\n`)
// Only a complete run is stored and shown in the documents.
if (!quick && only.length === parts.length) {
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`)
  drawCharts(results, new URL('../docs/', import.meta.url))
}

/** The ratios of the previous complete run, which show how stable the ratios are. */
function previousRun(): Results['before'] {
  if (!existsSync(file)) return undefined
  const last: Results = JSON.parse(readFileSync(file, 'utf8'))
  return { at: last.at, ratios: Object.fromEntries(targets(last).map(({ what, result }) => [what, result])) }
}
