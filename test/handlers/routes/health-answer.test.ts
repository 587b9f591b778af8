import { describe, expect, test } from 'vitest'
import { readAnswer } from '../../../src/handlers/routes/health-answer.ts'

const circular: { status: string; output?: unknown } = { status: 'pass' }
circular.output = circular

describe('the status', () => {
  test.each([
    ['pass', 'pass'],
    ['ok', 'pass'],
    ['up', 'pass'],
    ['UP', 'pass'],
    ['Warn', 'warn'],
    ['warn', 'warn'],
    ['fail', 'fail'],
    ['FAIL', 'fail'],
    ['error', 'fail'],
    ['down', 'fail'],
  ])('%s is %s', (status, read) => {
    expect(readAnswer('plugin', { name: 'disk', status })).toEqual({ check: { name: 'disk', status: read } })
  })

  test.each<[string, unknown]>([
    ['an unknown status', { status: 'unhealthy' }],
    ['no status', { name: 'disk' }],
    ['a status with blanks', { status: ' pass' }],
    ['false as status', { status: false }],
    ['null as status', { status: null }],
    ['an array as status', { status: ['pass'] }],
    ['an object as status', { status: { toString: () => 'pass' } }],
    ['null', null],
    ['false', false],
    ['true', true],
    ['0', 0],
    ['an empty string', ''],
    ['a string', 'pass'],
    ['a symbol', Symbol('pass')],
    ['a function', () => 'pass'],
    ['a bigint', 1n],
    ['an array', [{ status: 'pass' }]],
    ['an error', Object.assign(new Error('x'), { status: 'pass' })],
    ['a bigint inside', { status: 'pass', n: 1n }],
    ['a circular value', circular],
    [
      'a getter that throws',
      {
        status: 'pass',
        get output() {
          throw new Error('getter')
        },
      },
    ],
    [
      'a Proxy that throws',
      new Proxy(
        {},
        {
          get() {
            throw new Error('trap')
          },
        },
      ),
    ],
  ])('is fail, with a complaint, for %s', (_, answer) => {
    const { check, complaint } = readAnswer('plugin', answer)

    expect(check.status).toBe('fail')
    expect(check).not.toHaveProperty('output')
    expect(complaint).toMatch(/^Invalid health check: .+/)
  })
})

describe('the output', () => {
  test.each([
    'has not ticked yet',
    '1 of 1 secrets stale or missing',
    'n/a',
    'queue 3/4 full',
    'see https://x.example/y',
  ])('is published: %s', (output) => {
    expect(readAnswer('plugin', { name: 'disk', status: 'warn', output })).toEqual({
      check: { name: 'disk', status: 'warn', output },
    })
  })

  test.each<[string, unknown]>([
    ['an error', new Error('connect to 10.0.0.1')],
    ['a parse error', new SyntaxError('"sentinel" is not valid')],
    ['an object', { path: 'x' }],
    ['a number', 5],
    ['null', null],
    ['the text of a class', 'TypeError: x'],
    ['the text of an exception', 'AccessDeniedException: User arn'],
    ['a system error', 'connect ECONNREFUSED 10.0.0.1:5432'],
    ['a message of the engine', "Cannot read properties of undefined (reading 'x')"],
    ['a stack', 'broken\n    at x.js:1:2'],
    ['a path', '/etc/secrets/token is missing'],
    ['a path within a sentence', "failed to open '/etc/secrets'"],
    ['a relative path', 'missing ./secrets.json'],
    ['a path of Windows', 'missing C:\\secrets'],
    ['a file URL', 'missing file:///etc/secrets'],
    ['the text of a parse error', 'Unexpected token s, "sentinel" is not valid JSON'],
  ])('is withheld, with a complaint, if it is %s', (_, output) => {
    const { check, complaint } = readAnswer('plugin', { name: 'disk', status: 'warn', output })

    expect(check).toEqual({ name: 'disk', status: 'warn' })
    expect(complaint).toMatch(/^Withheld the output of a health check: .+/)
    expect(complaint).not.toContain('sentinel')
  })

  test('has at most 500 characters', () => {
    const { check } = readAnswer('plugin', { status: 'pass', output: 'x'.repeat(10_000) })

    expect(check.output).toHaveLength(500)
  })
})

describe('the name', () => {
  test.each<[unknown, string]>([
    ['disk', 'disk'],
    [undefined, 'plugin.mjs'],
    ['', 'plugin.mjs'],
    [5, 'plugin.mjs'],
    ['/opt/plugins/disk.mjs', 'disk.mjs'],
    ['C:\\plugins\\disk.mjs', 'disk.mjs'],
  ])('%j is published as %s', (name, published) => {
    expect(readAnswer('/opt/plugin.mjs', { name, status: 'pass' }).check.name).toBe(published)
  })
})
