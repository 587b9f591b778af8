/**
 * What the service costs, and its bus, beside peers: prints tables, writes `results.json`, draws charts for the documents.
 *
 *     npm run bench -- [--quick] [--only bus,http,start,memory,source,secrets]
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { drawCharts } from './charts.ts'
import { measureParts, parts, readArguments } from './parts.ts'
import type { Results } from './results.ts'
import { tables } from './tables.ts'
import { targets } from './targets.ts'

const { isSet: quick, only } = readArguments('quick')
const file = new URL('results.json', import.meta.url)
const before = lastRun()
const results: Results = { ...(await measureParts(only, quick)), ...(before && { before }) }

process.stdout.write(`${tables(results)}\n`)
// A quick run, or half of one, is for looking; what is kept, and what the documents show, is a whole one.
if (!quick && only.length === parts.length) {
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`)
  drawCharts(results, new URL('../docs/', import.meta.url))
}

/** So that one sees how steady the ratios are. */
function lastRun(): Results['before'] {
  if (!existsSync(file)) return undefined
  const last: Results = JSON.parse(readFileSync(file, 'utf8'))
  return { at: last.at, ratios: Object.fromEntries(targets(last).map(({ what, result }) => [what, result])) }
}
