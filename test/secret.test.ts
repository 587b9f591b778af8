import { format, inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { SecretNotFound, Sensitive, SourceFailure } from '../src/secret.ts'

describe('Sensitive', () => {
  const sensitive = new Sensitive('sentinel')

  test('reveals its value', () => {
    expect(sensitive.reveal()).toBe('sentinel')
  })

  test.each<[string, (value: Sensitive) => string]>([
    ['converted to a string', (value) => String(value)],
    ['interpolated', (value) => `${value}`],
    ['joined', (value) => [value].join()],
    ['inspected', (value) => inspect(value)],
    ['inspected within an object', (value) => inspect({ secret: { value } }, { depth: null })],
    ['inspected with hidden properties', (value) => inspect(value, { showHidden: true })],
    ['formatted as a string', (value) => format('%s', value)],
    ['formatted as an object', (value) => format('%o', value)],
    ['formatted as JSON', (value) => format('%j', value)],
    ['serialized as JSON', (value) => JSON.stringify(value)],
    ['serialized as JSON within an object', (value) => JSON.stringify({ secret: { value } })],
    ['in the message of an error', (value) => new Error(`failed on ${value}`).message],
  ])('is redacted when %s', (_, show) => {
    const shown = show(sensitive)

    expect(shown).toContain('[redacted]')
    expect(shown).not.toContain('sentinel')
  })

  test.each<[string, (value: Sensitive) => unknown]>([
    [
      'it is inspected without custom inspection',
      (value) => inspect(value, { customInspect: false, showHidden: true }),
    ],
    ['it is copied', (value) => ({ ...value })],
    ['it is cloned', (value) => structuredClone(value)],
    ['its keys are listed', (value) => Reflect.ownKeys(value)],
  ])('does not expose its value when %s', (_, show) => {
    expect(inspect(show(sensitive), { showHidden: true, depth: null })).not.toContain('sentinel')
  })
})

describe('SecretNotFound', () => {
  test('names the secret on one line', () => {
    const error = new SecretNotFound('the\ndoctor')

    expect(error).toMatchObject({ name: 'SecretNotFound', code: 'SECRET_NOT_FOUND' })
    expect(error.message).toBe('Secret "the\\ndoctor" not found')
  })
})

describe('SourceFailure', () => {
  test('has a code, a message, a cause and the time until a retry', () => {
    const cause = new Error('slow down')

    const error = new SourceFailure('SOURCE_THROTTLED', 'too many requests', { cause, retryAfter: 1_500 })

    expect(error).toMatchObject({
      name: 'SourceFailure',
      code: 'SOURCE_THROTTLED',
      message: 'too many requests',
      retryAfter: 1_500,
    })
    expect(error.cause).toBe(cause)
  })

  test('has no cause by default', () => {
    const error = new SourceFailure('SOURCE_STARTING', 'not started')

    expect('cause' in error).toBe(false)
    expect(error.retryAfter).toBeUndefined()
  })
})
