import { describe, expect, test } from 'vitest'
import { canonicalAddress } from '../../../src/handlers/server/client-address.ts'

describe('the canonical form of an address', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:51234', '203.0.113.7'],
    ['"203.0.113.7:51234"', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:cb00:7107', '203.0.113.7'],
    ['0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7'],
    ['[::ffff:203.0.113.7]:443', '203.0.113.7'],
    ['[203.0.113.7]:443', '203.0.113.7'],
    ['2001:db8::1', '2001:db8::1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:51234', '2001:db8::1'],
    ['"[2001:db8::1]:51234"', '2001:db8::1'],
    ['2001:db8:0:0:0:0:0:1:51234', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:80', 'fe80::1'],
    ['::1', '::1'],
  ])('of %s is %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical)
    expect(canonicalAddress(canonical)).toBe(canonical)
  })

  test.each([
    'unknown',
    '_hidden',
    'example.com',
    'example.com:80',
    '',
    '-',
    '203.0.113',
    '203.0.113.256',
    '203.000.113.007',
    '203.0.113.7:port',
    '203.0.113.7:123456',
    '203.0.113.7:',
    '203.0.113.7 evil',
    '[2001:db8::1',
    '2001:db8::g',
    '203.0.113.7%x',
    undefined,
  ])('of %j does not exist', (text) => {
    expect(canonicalAddress(text)).toBeUndefined()
  })
})
