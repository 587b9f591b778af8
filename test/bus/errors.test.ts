import { runInNewContext } from 'node:vm'
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
    new errors.CallCycle(['channel', 'channel'], 1),
    new errors.ChannelOverloaded('channel', 'provider'),
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

/** Throws on any access. */
const hostile = new Proxy(
  {},
  Object.fromEntries(
    ['get', 'has', 'getPrototypeOf', 'ownKeys', 'getOwnPropertyDescriptor'].map((trap) => [
      trap,
      () => {
        throw new Error('trap')
      },
    ]),
  ),
)
const throwing = (key: string) =>
  Object.defineProperty(new Error('broken'), key, {
    get() {
      throw new Error('getter')
    },
  })

test.each<[string, unknown, string]>([
  ['a Proxy that throws', hostile, '[object]'],
  ['an error whose message throws', throwing('message'), 'Error'],
  ['an error whose code throws', throwing('code'), 'broken'],
  ['a message that is a number', Object.assign(new Error(), { message: 42 }), '42'],
  ['a message that is an object', Object.assign(new Error(), { message: {} }), 'Error'],
  ['an object with a message', { message: 'plain' }, 'plain'],
  ['a symbol', Symbol('s'), 'Symbol(s)'],
  ['a bigint', 1n, '1'],
  ['a function, which could quote secrets', () => 'secret', '[function]'],
  ['an error of another realm', runInNewContext("new TypeError('foreign')"), 'foreign'],
  ['a parse error of another realm', runInNewContext("try { JSON.parse('sentinel') } catch (e) { e }"), 'parse error'],
])('messageOf never throws: %s', (_, thrown, message) => {
  expect(errors.messageOf(thrown)).toBe(message)
})

test('codeOf never throws', () => {
  for (const thrown of [hostile, throwing('code'), null, undefined, 1n, Symbol('s')])
    expect(errors.codeOf(thrown)).toBeUndefined()
  expect(errors.codeOf({ code: 'E_X' })).toBe('E_X')
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
