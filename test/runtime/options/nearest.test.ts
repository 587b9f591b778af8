import { expect, test } from 'vitest'
import { nearest } from '../../../src/runtime/options/nearest.ts'

const known = ['host', 'port', 'cache-ttl', 'auth-token-file', 'max-attempts', 'max-stale', 'log-level']

test.each([
  ['prot', 'port'],
  ['Port', 'port'],
  ['ports', 'port'],
  ['hots', 'host'],
  ['hostname', 'host'],
  ['cacheTtl', 'cache-ttl'],
  ['CACHE_TTL', 'cache-ttl'],
  ['cache', 'cache-ttl'],
  ['auth-token', 'auth-token-file'],
  ['max-atempts', 'max-attempts'],
  ['loglevel', 'log-level'],
])('%s means %s', (name, meant) => {
  expect(nearest(name, known)).toBe(meant)
})

test.each(['p', 'foo', 'xy', 'constructor', '__proto__', '', 'a-completely-different-option'])(
  '%j means nothing known',
  (name) => {
    expect(nearest(name, known)).toBeUndefined()
  },
)

test('a known name has no suggestion', () => {
  expect(nearest('port', ['port'])).toBeUndefined()
})
