import { describe, expect, test } from 'vitest'
import { traceContext } from '../../src/handlers/traceparent.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'
const valid = `00-${traceId}-${spanId}-01`

describe('traceparent', () => {
  test.for([
    [valid, 1],
    [`00-${traceId}-${spanId}-00`, 0],
    [`00-${traceId}-${spanId}-ff`, 255],
    [`cc-${traceId}-${spanId}-01`, 1], // a later version
    [`cc-${traceId}-${spanId}-01-what-it-adds`, 1],
  ] as const)('%s is accepted', ([traceparent, flags]) => {
    expect(traceContext({ traceparent })).toEqual({ traceId, spanId, flags, state: undefined })
  })

  test.for([
    ['is empty', ''],
    ['has an invalid version', `ff-${traceId}-${spanId}-01`],
    ['has a version that is not hexadecimal', `0g-${traceId}-${spanId}-01`],
    ['has more fields than version 00', `${valid}-01`],
    ['ends with a dash', `${valid}-`],
    ['adds to a later version without a dash', `cc-${traceId}-${spanId}-01x`],
    ['has a trace id of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['has a span id of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['is upper case', valid.toUpperCase()],
    ['has an upper-case trace id', `00-${traceId.toUpperCase()}-${spanId}-01`],
    ['has a short trace id', `00-${traceId.slice(1)}-${spanId}-01`],
    ['has a long span id', `00-${traceId}-${spanId}0-01`],
    ['lacks the flags', `00-${traceId}-${spanId}`],
    ['has flags that are not hexadecimal', `00-${traceId}-${spanId}-0x`],
    ['has spaces', ` ${valid}`],
    ['was sent twice', `${valid}, ${valid}`],
    ['was sent twice, of a later version', `cc${valid.slice(2)}, cc${valid.slice(2)}`],
    ['contains a line break', `${valid}\n`],
  ] as const)('that %s is ignored', ([, traceparent]) => {
    expect(traceContext({ traceparent, tracestate: 'vendor=1' })).toBe(undefined)
  })

  test('is optional', () => {
    expect(traceContext({ tracestate: 'vendor=1' })).toBe(undefined)
  })

  test('comes with tracestate, unless that is too long', () => {
    expect(traceContext({ traceparent: valid, tracestate: 'a=1, b=2' })?.state).toBe('a=1, b=2')
    expect(traceContext({ traceparent: valid, tracestate: `a=${'1'.repeat(511)}` })?.state).toBe(undefined)
  })
})
