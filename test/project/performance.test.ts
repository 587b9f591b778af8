import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { tables } from '../../bench/tables.ts'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

test('the tables of PERFORMANCE.md are those of the results that are kept', () => {
  const shown = new Set(read('docs/PERFORMANCE.md').split('\n'))
  const kept = tables(JSON.parse(read('bench/results.json'))).split('\n')

  const rows = kept.filter((line) => line.startsWith('|'))
  expect(rows.length).toBeGreaterThan(50)
  expect(rows.filter((row) => !shown.has(row))).toEqual([])
})
