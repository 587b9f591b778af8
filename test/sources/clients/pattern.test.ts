import fc from 'fast-check'
import { expect, test } from 'vitest'
import { codeNameMatcher } from '../../../src/sources/clients/pattern.ts'

test.each<[pattern: string, matching: string[], others: string[]]>([
  ['thedoctor', ['thedoctor'], ['', 'thedoctor2', 'athedoctor', 'THEDOCTOR']],
  ['*', ['', 'a', 'a/b'], []],
  ['billing/*', ['billing/', 'billing/a', 'billing/a/b'], ['billing', 'abilling/a']],
  ['*-key', ['-key', 'a-key'], ['a-key2', 'key']],
  ['a*b*c', ['abc', 'axbxc', 'abbcc'], ['ab', 'acb', 'abcd']],
  ['ab*ba', ['abba', 'abxba'], ['aba', 'ab']],
  ['a**b', ['ab', 'axb'], ['a']],
  ['a.b', ['a.b'], ['axb']],
  ['[a-z]?', ['[a-z]?'], ['a', 'ab']],
])('%j matches %j, but not %j', (pattern, matching, others) => {
  const matches = codeNameMatcher([pattern])

  expect([...matching, ...others].filter(matches)).toEqual(matching)
})

test('several patterns match what one of them matches, and none matches nothing', () => {
  expect(['a', 'b', 'c'].filter(codeNameMatcher(['a', 'b*']))).toEqual(['a', 'b'])
  expect(codeNameMatcher([])('')).toBe(false)
})

test('matches what a regular expression would match', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 8 })
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 })

  fc.assert(
    fc.property(pattern, text, (pattern, text) => {
      const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(text)
      expect(codeNameMatcher([pattern])(text)).toBe(expected)
    }),
    { numRuns: 2_000 },
  )
})
