/**
 * What the service costs, and its bus, beside peers: prints tables, writes `results.json`, draws charts for the documents.
 *
 *     npm run bench -- [--quick] [--only bus,http,start,memory,source]
 */
import { writeFileSync } from 'node:fs'
import { drawCharts } from './charts.ts'
import { measureParts, readArguments } from './parts.ts'
import { tables } from './tables.ts'

const { isSet: quick, only } = readArguments('quick')
const results = await measureParts(only, quick)

process.stdout.write(`${tables(results)}\n`)
// A quick run, or half of one, is for looking; what is kept, and what the documents show, is a whole one.
if (!quick && only.length === 5) {
  writeFileSync(new URL('results.json', import.meta.url), `${JSON.stringify(results, undefined, 2)}\n`)
  drawCharts(results, new URL('../docs/', import.meta.url))
}
