import { expect, test } from 'vitest'
import { acceptsGzip } from '../../../src/handlers/pages/accepts-gzip.ts'

test.each([
  'gzip',
  'GZIP',
  'x-gzip',
  'deflate, gzip, br, zstd',
  'br,gzip',
  'gzip;q=1',
  'gzip; q=1.000',
  'gzip ;\tq=0.001',
  'gzip;Q=0.5',
  'identity;q=0.5, gzip;q=0.5',
  'identity;q=0, gzip;q=0.1',
  '*',
  'br;q=1.0, *;q=0.1',
  'br;q=nonsense, gzip',
])('%j accepts gzip', (header) => {
  expect(acceptsGzip(header)).toBe(true)
})

test.each([
  undefined,
  '',
  'identity',
  'br, deflate',
  'gzip;q=0',
  'gzip; q=0.000',
  'gzip;q=0, *',
  '*;q=0',
  'gzip;q=0.5, identity',
  'gzip;q=0.1, identity;q=0.2',
  'gzip;q=2',
  'gzip;q=-1',
  'gzip;level=9',
  'gzipped',
  'not gzip',
])('%j does not accept gzip, or prefers other content', (header) => {
  expect(acceptsGzip(header)).toBe(false)
})
