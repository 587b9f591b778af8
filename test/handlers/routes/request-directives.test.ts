import { describe, expect, test } from 'vitest'
import { requestDirectives } from '../../../src/handlers/routes/request-directives.ts'

describe('the request directives', () => {
  test('are undefined without the header', () => {
    expect(requestDirectives(undefined)).toBeUndefined()
  })

  test.each<[cacheControl: string, directives: object]>([
    ['no-cache', { maxAge: 0 }],
    ['No-Cache', { maxAge: 0 }],
    ['no-cache, max-stale=60', { maxAge: 0 }],
    ['no-cache="set-cookie"', { maxAge: 0 }],
    ['max-age=0', { maxAge: 0 }],
    ['max-age=60', { maxAge: 60_000 }],
    ['MAX-AGE=60', { maxAge: 60_000 }],
    ['max-age = 60', { maxAge: 60_000 }],
    ['max-age =\t"60" ', { maxAge: 60_000 }],
    ['max-age="60"', { maxAge: 60_000 }],
    ['  max-age=60  ,no-store', { maxAge: 60_000 }],
    ['\tmax-age=60\t', { maxAge: 60_000 }],
    ['no-store,,max-age=60', { maxAge: 60_000 }],
    ['foo="a, max-age=1", max-age=60', { maxAge: 60_000 }],
    ['foo="a\\", max-age=1", max-age=60', { maxAge: 60_000 }],
    ['max-age=99999999999999999999', { maxAge: 1e23 }],
    ['max-age=60, max-age=5', { maxAge: 5_000 }],
    ['max-age=5, max-age=60', { maxAge: 5_000 }],
    ['max-stale', { maxStale: Infinity }],
    ['max-stale=10', { maxStale: 10_000 }],
    ['max-stale, max-stale=10', { maxStale: 10_000 }],
    ['max-age=5, max-stale=10', { maxAge: 5_000, maxStale: 10_000 }],
    ['only-if-cached', { onlyIfCached: true }],
    ['no-cache, only-if-cached', { maxAge: 0, onlyIfCached: true }],
  ])('of %j', (cacheControl, directives) => {
    expect(requestDirectives(cacheControl)).toEqual({ onlyIfCached: false, ...directives })
  })

  test.each(['max-age', 'max-age=', 'max-age=-1', 'max-age=1.5', 'max-age=1e3', 'max-age=soon', 'max-age=0x10'])(
    'of %j, which is not a number, force a read',
    (cacheControl) => {
      expect(requestDirectives(cacheControl)).toEqual({ maxAge: 0, onlyIfCached: false })
    },
  )

  test.each([
    '',
    ',',
    'no-store',
    'no-transform, min-fresh=5',
    'nocache',
    'max-ages=5',
    'x-max-age=5',
    '=',
    '"',
    'a b',
  ])('of %j demand nothing', (cacheControl) => {
    expect(requestDirectives(cacheControl)).toEqual({ onlyIfCached: false })
  })

  // In quadratic time, a text takes longer than the time limit.
  test.each([
    'no-store="'.repeat(4_000),
    `foo=${' '.repeat(40_000)}"`,
    `foo${' '.repeat(40_000)}"`,
    `foo="${'\\"'.repeat(20_000)}`,
  ])('are found in linear time %#', { timeout: 5_000 }, (malformed) => {
    expect(requestDirectives(`${malformed}, max-age=5`)).toEqual({ maxAge: 5_000, onlyIfCached: false })
  })
})
