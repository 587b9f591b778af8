import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { documentedTables } from '../../bench/tables.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('PERFORMANCE.md contains the tables of bench/results.json', () => {
  const documented = new Set(read('docs/PERFORMANCE.md').split('\n'))
  const results = JSON.parse(read('bench/results.json'))
  const expected = documentedTables.flatMap((table) => table(results).split('\n'))

  const rows = expected.filter((line) => line.startsWith('|'))
  expect(rows.length).toBeGreaterThan(50)
  expect(rows.filter((row) => !documented.has(row))).toEqual([])
})
