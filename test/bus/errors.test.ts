import { expect, test } from 'vitest'
import * as errors from '../../src/bus/errors.ts'

test('every class has a name and a distinct code', () => {
  const instances = [
    new errors.ChannelFailures('channel', [], []),
    new errors.ListenerTimeout('channel', 'listener', 1),
    new errors.RequestTimeout('channel', 'provider', 1),
    new errors.NoProvider('channel', 'requester'),
    new errors.DuplicateProvider('channel', 'first', 'second'),
    new errors.DuplicateChannel('channel'),
    new errors.MissingProviders([]),
    new errors.Exiting(),
    new errors.ShutdownTimeout(1),
  ]
  const classes = Object.values(errors).filter((value) => value.prototype instanceof Error)
  expect(instances.map(({ name }) => name).toSorted()).toEqual(classes.map(({ name }) => name).toSorted())
  expect(new Set(instances.map(({ code }) => code)).size).toBe(classes.length)
})

test('messageOf returns the message of an error, or else its code or name', () => {
  expect(errors.messageOf(new Error('broken'))).toBe('broken')
  expect(errors.messageOf(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }))).toBe('ECONNREFUSED')
  expect(errors.messageOf(new TypeError(''))).toBe('TypeError')
  expect(errors.messageOf('text')).toBe('text')
  expect(errors.messageOf(undefined)).toBe('undefined')
  expect(errors.messageOf(null)).toBe('null')
  expect(errors.messageOf(Object.create(null))).toBe('[object]')
})

test('messageOf withholds the message of a parse error, because it quotes the input', () => {
  const parse = () => JSON.parse('sentinel')
  expect(parse).toThrow('sentinel')
  try {
    parse()
  } catch (error) {
    expect(errors.messageOf(error)).toBe('parse error')
  }
})
