import { format, inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { SecretNotFound, Sensitive, SourceFailure } from '../src/secret.ts'

describe('a sensitive value', () => {
  const sensitive = new Sensitive('sentinel')

  test('is told to who asks', () => {
    expect(sensitive.reveal()).toBe('sentinel')
  })

  test.each<[string, (value: Sensitive) => string]>([
    ['turned into a string', (value) => String(value)],
    ['put into a template', (value) => `${value}`],
    ['joined', (value) => [value].join()],
    ['inspected', (value) => inspect(value)],
    ['inspected within an object', (value) => inspect({ secret: { value } }, { depth: null })],
    ['inspected with what is hidden', (value) => inspect(value, { showHidden: true })],
    ['formatted as a string', (value) => format('%s', value)],
    ['formatted as an object', (value) => format('%o', value)],
    ['formatted as JSON', (value) => format('%j', value)],
    ['serialised', (value) => JSON.stringify(value)],
    ['serialised within an object', (value) => JSON.stringify({ secret: { value } })],
    ['in the message of an error', (value) => new Error(`failed on ${value}`).message],
  ])('is redacted when %s', (_how, show) => {
    const shown = show(sensitive)

    expect(shown).toContain('[redacted]')
    expect(shown).not.toContain('sentinel')
  })

  test.each<[string, (value: Sensitive) => unknown]>([
    ['inspected without its own way to be', (value) => inspect(value, { customInspect: false, showHidden: true })],
    ['copied', (value) => ({ ...value })],
    ['cloned', (value) => structuredClone(value)],
    ['listed', (value) => Reflect.ownKeys(value)],
  ])('is not there when %s', (_how, show) => {
    expect(inspect(show(sensitive), { showHidden: true, depth: null })).not.toContain('sentinel')
  })
})

describe('SecretNotFound', () => {
  test('names the secret, in one line', () => {
    const error = new SecretNotFound('the\ndoctor')

    expect(error).toMatchObject({ name: 'SecretNotFound', code: 'SECRET_NOT_FOUND' })
    expect(error.message).toBe('there is no secret named "the\\ndoctor"')
  })
})

describe('SourceFailure', () => {
  test('says what kind of failure it is, why, and when to ask again', () => {
    const cause = new Error('slow down')

    const error = new SourceFailure('SOURCE_THROTTLED', 'asked too often', { cause, retryAfter: 1_500 })

    expect(error).toMatchObject({
      name: 'SourceFailure',
      code: 'SOURCE_THROTTLED',
      message: 'asked too often',
      retryAfter: 1_500,
    })
    expect(error.cause).toBe(cause)
  })

  test('has no cause where none is known', () => {
    const error = new SourceFailure('SOURCE_STARTING', 'not there yet')

    expect('cause' in error).toBe(false)
    expect(error.retryAfter).toBeUndefined()
  })
})
