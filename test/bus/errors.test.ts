import { expect, test } from 'vitest'
import * as errors from '../../src/bus/errors.ts'

test('every class has a name, and a code of its own', () => {
  const made = [
    new errors.ChannelFailures('channel', [], []),
    new errors.ListenerTimeout('channel', 'listener', 1),
    new errors.RequestTimeout('channel', 'provider', 1),
    new errors.NoProvider('channel', 'asker'),
    new errors.DuplicateProvider('channel', 'first', 'second'),
    new errors.DuplicateChannel('channel'),
    new errors.MissingProviders([]),
    new errors.Exiting(),
    new errors.ShutdownTimeout(1),
  ]
  const classes = Object.values(errors).filter((value) => value.prototype instanceof Error)
  expect(made.map(({ name }) => name).toSorted()).toEqual(classes.map(({ name }) => name).toSorted())
  expect(new Set(made.map(({ code }) => code)).size).toBe(classes.length)
})

test('what is said of an error is its message, or what else tells it apart', () => {
  expect(errors.messageOf(new Error('broken'))).toBe('broken')
  expect(errors.messageOf(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }))).toBe('ECONNREFUSED')
  expect(errors.messageOf(new TypeError(''))).toBe('TypeError')
  expect(errors.messageOf('text')).toBe('text')
  expect(errors.messageOf(undefined)).toBe('undefined')
  expect(errors.messageOf(null)).toBe('null')
  expect(errors.messageOf(Object.create(null))).toBe('[object]')
})

test('the message of a parse error is not said, for it quotes what could not be read', () => {
  const parse = () => JSON.parse('sentinel')
  expect(parse).toThrow('sentinel')
  try {
    parse()
  } catch (error) {
    expect(errors.messageOf(error)).toBe('unreadable text')
  }
})
