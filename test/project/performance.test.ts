import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { documentedTables } from '../../bench/tables.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('PERFORMANCE.md contains the tables of bench/results.json', () => {
  const documented = read('docs/PERFORMANCE.md').split('\n')
  const results = JSON.parse(read('bench/results.json'))
  const expected = documentedTables.flatMap((table) => table(results).split('\n'))

  const rows = expected.filter((line) => line.startsWith('|'))
  expect(rows.length).toBeGreaterThan(50)
  expect(documented.length).toBeLessThanOrEqual(151) // the last line is empty
  expect(rows.filter((row) => !documented.includes(row))).toEqual([])
})
