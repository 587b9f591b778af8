import { expect, test } from 'vitest'
import { retryAfterOf } from '../../../src/sources/upstream/retry-after.ts'

const now = Date.UTC(1994, 10, 6, 8, 49, 30)

test.each<[string, number]>([
  ['0', 0],
  ['120', 120_000],
  ['Sun, 06 Nov 1994 08:49:37 GMT', 7_000],
  ['Sunday, 06-Nov-94 08:49:37 GMT', 7_000],
  ['Sun Nov  6 08:49:37 1994', 7_000],
  ['Sun, 06 Nov 1994 08:49:29 GMT', 0],
])('%s means %d ms', (header, ms) => {
  expect(retryAfterOf(header, now)).toBe(ms)
})

test.each([undefined, '', 'soon', '-1', '1.5', '1e3', '12345678901', '7 GMT', 'Sun, 99 Foo 1994 08:49:37 GMT', ['1']])(
  '%j is ignored',
  (header) => {
    expect(retryAfterOf(header, now)).toBeUndefined()
  },
)
