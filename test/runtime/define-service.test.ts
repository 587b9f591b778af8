import { expect, expectTypeOf, test } from 'vitest'
import { defineService } from '../../src/runtime/define-service.ts'
import type { OptionRecord } from '../../src/runtime/options/option.ts'

const subscribers = () => ({})

test('a definition derives every name from the name of the service', () => {
  const { info } = defineService({ name: 'two-words', version: '1.2.3', options: {}, subscribers })

  expect(info).toMatchObject({
    name: 'two-words',
    version: '1.2.3',
    variablePrefix: 'TWO_WORDS_',
    metricPrefix: 'two_words_',
    problemPrefix: 'urn:two-words:problem:',
  })
})

test('subscribers receive the typed values of the declared options and of those of every service', () => {
  defineService({
    name: 'orders',
    version: '1.2.3',
    options: { pause: { type: 'duration', default: '1s', describe: 'Pause' }, to: { type: 'url', describe: 'To' } },
    subscribers: (options) => {
      expectTypeOf(options.pause).toEqualTypeOf<number>()
      expectTypeOf(options.to).toEqualTypeOf<string | undefined>()
      expectTypeOf(options.logLevel).toEqualTypeOf<'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'>()
      // @ts-expect-error: not declared
      void options.other
      return {}
    },
  })
})

test.each(['', 'Orders', 'my orders', '1st', '-a', 'a-', 'a--b', 'a_b', '@scope/a', 'órders'])(
  'the name %j is refused',
  (name) => {
    expect(() => defineService({ name, version: '1.2.3', options: {}, subscribers })).toThrow(
      `service name must be words of a to z and 0 to 9 joined by dashes, such as orders, received ${JSON.stringify(name)}`,
    )
  },
)

test.each<[string, OptionRecord, string]>([
  [
    'has the name of one of every service',
    { plugins: { type: 'text', describe: 'x' } },
    'option plugins must not have',
  ],
  ['has the flag of one', { mine: { type: 'text', describe: 'x', flag: 'plugin' } }, 'must not use --plugin'],
  ['has the variable of one', { mine: { type: 'text', describe: 'x', variable: 'ORDERS_CONFIG' } }, 'ORDERS_CONFIG'],
  [
    'has a flag of the command line',
    { help: { type: 'text', describe: 'x' } },
    'must not use --help, which is reserved',
  ],
])('an option that %s is refused', (_what, options, message) => {
  expect(() => defineService({ name: 'orders', version: '1.2.3', options, subscribers })).toThrow(message)
})

test('subscribers must be a function', () => {
  const definition = { name: 'orders', version: '1.2.3', options: {}, subscribers: {} }
  expect(() => defineService(definition as unknown as Parameters<typeof defineService>[0])).toThrow(
    'subscribers must be a function, received object',
  )
})
