import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { logLevels } from '../../../src/bus/process/lifecycle.ts'
import { coreOptions } from '../../../src/runtime/options/core-options.ts'
import * as types from '../../../src/runtime/options/types.ts'
import { attribute, codeName, region, table } from '../../../src/secret-options.ts'

const logLevel = coreOptions.logLevel.type
const logFormat = coreOptions.logFormat.type
const type = { ...types, attribute, codeName, region, table, logLevel, logFormat }

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

const all: Readonly<Record<string, types.OptionType<unknown>>> = {
  flag: type.flag,
  port: type.port,
  host: type.host,
  file: type.file,
  table: type.table,
  attribute: type.attribute,
  codeName: type.codeName,
  region: type.region,
  url: type.url,
  origin: type.origin,
  text: type.text,
  logLevel: type.logLevel,
  logFormat: type.logFormat,
  duration: type.duration,
  lifetime: type.lifetime,
  timeLimit: type.timeLimit,
  integer: type.integer(1, 10),
}

/** Arbitrary strings, and some that resemble valid values. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...'0159.,-+eE smhd:/%\n\ud800') }),
  fc.constantFrom('forever', 'true', '0', '1', '5s', 'arn:', 'http://', 'constructor', '__proto__', 'toString'),
  fc.stringMatching(/^\d{1,400}(\.\d{1,400})?(ms|s|m|h|d)$/),
)

describe('any option', () => {
  test.each(Object.entries(all))('the parser of %s never throws', (_name, { parse }) => {
    fc.assert(
      fc.property(anyText, (text) => {
        parse(text)
      }),
    )
  })

  test.each(Object.entries(all))('%s does not accept an empty text', (_name, { parse }) => {
    expect(parse('')).toBeUndefined()
  })

  test.each(Object.entries(all))('the constraint of %s is one line', (_name, { allowed }) => {
    expect(allowed).toMatch(/^\S.*\S$/)
  })
})

describe('a flag', () => {
  test.each([
    ['true', true],
    ['1', true],
    ['false', false],
    ['0', false],
  ])('%s means %s', (text, value) => {
    expect(type.flag.parse(text)).toBe(value)
  })

  test.each(['TRUE', 'yes', 'on', 'no', '2', ' true', 'constructor', 'toString', '__proto__'])('rejects %j', (text) => {
    expect(type.flag.parse(text)).toBeUndefined()
  })

  test('parses every text to true, false or undefined', () => {
    fc.assert(fc.property(anyText, (text) => [true, false, undefined].includes(type.flag.parse(text))))
  })
})

describe('a port', () => {
  test.each([
    ['0', 0],
    ['5000', 5_000],
    ['65535', 65_535],
  ])('accepts %s', (text, value) => {
    expect(type.port.parse(text)).toBe(value)
  })

  test.each(['65536', '-1', '80.0', '1e3', '0x50', ' 80', '80 ', '80\n', 'http', '８０', '9'.repeat(400)])(
    'rejects %j',
    (text) => {
      expect(type.port.parse(text)).toBeUndefined()
    },
  )
})

describe('an integer', () => {
  const { parse, allowed } = type.integer(1, 10)

  test('is within its inclusive bounds', () => {
    expect(['0', '1', '10', '11'].map(parse)).toEqual([undefined, 1, 10, undefined])
  })

  test('names its bounds', () => {
    expect(allowed).toBe('a whole number from 1 to 10')
  })
})

describe('a host', () => {
  test.each(['127.0.0.1', '0.0.0.0', '::', '::1', 'fe80::1%eth0', 'localhost', 'my-host.example'])(
    'accepts %s',
    (text) => {
      expect(type.host.parse(text)).toBe(text)
    },
  )

  test.each(['a b', 'a/b', 'http://localhost', 'localhost\n', 'höst'])('rejects %j', (text) => {
    expect(type.host.parse(text)).toBeUndefined()
  })
})

describe('a table', () => {
  const arn = 'arn:aws:dynamodb:eu-central-1:123456789012:table/devops-challenge'

  test.each(['devops-challenge', 'abc', 'A_b.c-9', 'x'.repeat(255), arn, `arn:${'x'.repeat(1_020)}`])(
    'accepts %s',
    (text) => {
      expect(type.table.parse(text)).toBe(text)
    },
  )

  test.each([
    'ab',
    'x'.repeat(256),
    'a table',
    'täble',
    'table\n',
    'table/name',
    'arn:',
    `${arn} x`,
    `arn:${'x'.repeat(1_021)}`,
  ])('rejects %j', (text) => {
    expect(type.table.parse(text)).toBeUndefined()
  })
})

describe('an attribute', () => {
  test('has 1 to 255 characters, regardless of their size in bytes', () => {
    const names = ['a', 'code_name', '🔑'.repeat(255), '🔑'.repeat(256)]
    expect(names.map(type.attribute.parse)).toEqual([...names.slice(0, 3), undefined])
  })
})

describe('a code name', () => {
  test.each(['thedoctor', 'the doctor', 'ключ', '007', '{"a":1}'])('accepts %s unchanged', (text) => {
    expect(type.codeName.parse(text)).toBe(text)
  })

  test('has at most 2048 bytes of UTF-8', () => {
    expect(type.codeName.parse('x'.repeat(2_048))).toHaveLength(2_048)
    expect(type.codeName.parse('x'.repeat(2_049))).toBeUndefined()
    expect(type.codeName.parse('ü'.repeat(1_024))).toHaveLength(1_024)
    expect(type.codeName.parse('ü'.repeat(1_025))).toBeUndefined()
    expect(type.codeName.parse('🔑'.repeat(513))).toBeUndefined()
    expect(type.codeName.parse('\ud800')).toBeUndefined()
  })
})

describe('a region', () => {
  test.each(['eu-central-1', 'us-gov-west-1', 'local', 'x'.repeat(63)])('accepts %s', (text) => {
    expect(type.region.parse(text)).toBe(text)
  })

  // The AWS SDK makes the region part of a host name.
  test.each(['eu_central_1', 'eu central', 'eu.central', ' eu-central-1', 'eu\n', '-', '-eu', 'eu-', 'x'.repeat(64)])(
    'rejects %j',
    (text) => {
      expect(type.region.parse(text)).toBeUndefined()
    },
  )
})

describe('an origin', () => {
  test.each([
    ['http://localhost:8000', 'http://localhost:8000'],
    ['https://API.example.com/', 'https://api.example.com'],
    ['https://api.example.com:443', 'https://api.example.com'],
  ])('converts %s to %s', (text, value) => {
    expect(type.origin.parse(text)).toBe(value)
  })

  test.each(['https://x/v1', 'https://x?a', 'https://x#a', 'https://user:password@x', 'ftp://x', 'x:80', ' http://x'])(
    'rejects %j',
    (text) => {
      expect(type.origin.parse(text)).toBeUndefined()
    },
  )
})

describe('a URL', () => {
  test.each([
    'http://localhost:8000',
    'https://dynamodb.eu-central-1.amazonaws.com',
    'HTTP://127.0.0.1',
    'http://[::1]:1',
  ])('accepts %s unchanged', (text) => {
    expect(type.url.parse(text)).toBe(text)
  })

  test.each([
    'localhost:8000',
    'ftp://localhost',
    'file:///etc/passwd',
    '//localhost',
    'http://',
    'http://a b',
    'http://x:99999',
  ])('rejects %j', (text) => {
    expect(type.url.parse(text)).toBeUndefined()
  })

  test.each(['http:localhost', 'https:/localhost', ' http://localhost', 'http://localhost ', 'ht\ntp://localhost'])(
    'rejects %j, which the URL parser accepts',
    (text) => {
      expect(type.url.parse(text)).toBeUndefined()
    },
  )
})

describe('a log option', () => {
  test.each([...logLevels, 'silent'])('accepts the level %s', (text) => {
    expect(type.logLevel.parse(text)).toBe(text)
  })

  test.each(['auto', 'json', 'pretty'])('accepts the format %s', (text) => {
    expect(type.logFormat.parse(text)).toBe(text)
  })

  test.each(['INFO', 'verbose', '30', 'toString'])('rejects %s as a level and as a format', (text) => {
    expect([type.logLevel.parse(text), type.logFormat.parse(text)]).toEqual([undefined, undefined])
  })

  test('lists the levels', () => {
    expect(type.logLevel.allowed).toBe('one of trace, debug, info, warn, error, fatal, silent')
  })
})

describe('a duration', () => {
  const valid: [string, number][] = [
    ['500ms', 500],
    ['5s', 5 * second],
    ['1.5s', 1_500],
    ['1.0005s', 1_001],
    ['10m', 10 * minute],
    ['1h', hour],
    ['2d', 2 * day],
    ['24d', 24 * day],
    ['007s', 7 * second],
  ]
  const zeros = ['0', '0s', '0ms', '0.0h']
  const invalid = [
    '5',
    '00',
    '5 s',
    ' 5s',
    '5s ',
    '5s\n',
    '5S',
    '5sec',
    '1h30m',
    '1e3',
    '1e3s',
    '-5s',
    '+5s',
    '.5s',
    '5.s',
    '1,5s',
    '1_000s',
    '0x5s',
    '５s',
    's',
    'ms',
    'NaN',
    'Infinity',
    'never',
    '24.1d',
    '25d',
    '577h',
    '9'.repeat(400),
    `${'9'.repeat(400)}s`,
  ]

  test.each(valid)('%s is %i ms, as a duration, a lifetime and a time limit', (text, ms) => {
    expect([type.duration.parse(text), type.lifetime.parse(text), type.timeLimit.parse(text)]).toEqual([ms, ms, ms])
  })

  test.each(invalid)('rejects %j', (text) => {
    const parsed = [type.duration.parse(text), type.lifetime.parse(text), type.timeLimit.parse(text)]
    expect(parsed).toEqual([undefined, undefined, undefined])
  })

  test.each(zeros)('%s is a duration and a lifetime, but not a time limit', (text) => {
    expect([type.duration.parse(text), type.lifetime.parse(text), type.timeLimit.parse(text)]).toEqual([
      0,
      0,
      undefined,
    ])
  })

  test('forever is only valid as a lifetime', () => {
    const parsed = [type.duration.parse('forever'), type.lifetime.parse('forever'), type.timeLimit.parse('forever')]
    expect(parsed).toEqual([undefined, Infinity, undefined])
  })

  test('every parsed text fits setTimeout, or is Infinity for a lifetime of forever', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const duration = type.duration.parse(text) ?? 0
        expect(duration).toBeGreaterThanOrEqual(0)
        expect(duration).toBeLessThanOrEqual(2 ** 31 - 1)
        expect(type.timeLimit.parse(text) ?? 1).toBeGreaterThan(0)
        expect(type.lifetime.parse(text) ?? 0).toBe(text === 'forever' ? Infinity : duration)
      }),
    )
  })

  test('multiplies the number by the unit', () => {
    const units = { ms: 1, s: second, m: minute, h: hour, d: day }
    fc.assert(
      fc.property(fc.nat(24), fc.constantFrom(...Object.entries(units)), (number, [unit, ms]) => {
        expect(type.duration.parse(`${number}${unit}`)).toBe(number * ms)
      }),
    )
  })
})

test.each([undefined, [], 'ab', [1, 2], [null]])('a choice of %j is refused', (values) => {
  expect(() => type.choice(values as unknown as string[])).toThrow(
    TypeError('values of a choice must be a list of at least one text'),
  )
})

test.each([
  [5, 1],
  [Number.NaN, 1],
])('an integer from %d to %d is refused', (min, max) => {
  expect(() => type.integer(min, max)).toThrow(RangeError)
})

test.each([/a/, /a/g, /a/y])('the pattern %s matches each time', (pattern) => {
  const matching = type.matching(pattern, 'an a')

  expect([matching.parse('a'), matching.parse('a'), matching.parse('b')]).toEqual(['a', 'a', undefined])
})
