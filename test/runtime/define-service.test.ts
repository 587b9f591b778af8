import { pino } from 'pino'
import { describe, expect, expectTypeOf, test } from 'vitest'
import type { Subscriber } from '../../src/bus/process/process-bus.ts'
import { assemble } from '../../src/runtime/assemble.ts'
import { defineService, type ServiceDefinition } from '../../src/runtime/define-service.ts'
import type { Option, OptionRecord } from '../../src/runtime/options/option.ts'

const subscribers = () => ({})
const define = (given: Partial<ServiceDefinition<OptionRecord>>) =>
  defineService({ name: 'shop', version: '1.0.0', options: {}, subscribers, ...given })

describe('the definition of a service', () => {
  test('derives its names', () => {
    expect(define({ name: 'web-shop' }).info).toMatchObject({
      variablePrefix: 'WEB_SHOP_',
      metricPrefix: 'web_shop_',
      problemPrefix: 'urn:web-shop:problem:',
    })
  })

  test.each(['My Shop', 'Shop', '1shop', 'shop_', 'shop-', ''])('rejects the name %j', (name) => {
    expect(() => define({ name })).toThrow(
      `service name must be words of a to z and 0 to 9 joined by dashes, such as orders, received ${JSON.stringify(name)}`,
    )
  })

  test.each([
    [
      'the name of a core option',
      { drain: {} },
      'option drain must not have the name of an option that every service has',
    ],
    ['a core flag', { mine: { flag: 'plugin' } }, 'option mine must not use --plugin, which option plugins uses'],
    ['a reserved flag', { help: {} }, 'option help must not use --help, which is reserved'],
    ['the flag of an alias', { h: {} }, 'option h must not use --h, which is reserved'],
    ['an unknown type', { mine: { type: 'string' } }, 'option mine has the unknown type "string"; known are text,'],
    [
      'an invalid default',
      { mine: { default: 'soon' } },
      'option mine has the default "soon", which must be a duration',
    ],
    ['an unknown member', { mine: { help: 'x' } }, 'option mine has the unknown member help'],
    ['a name in kebab case', { 'my-own': {} }, 'option my-own must have a name in camel case'],
  ])('rejects an option with %s', (_case, options, message) => {
    const complete = Object.entries(options).map(([name, option]) => [
      name,
      { type: 'duration', describe: 'A duration', ...option } as Option, // as written in JavaScript
    ])

    expect(() => define({ options: Object.fromEntries(complete) })).toThrow(message)
  })

  test.each(['serve', 'healthcheck', 'completion', 'My command', '--help'])('rejects the command %j', (name) => {
    const run = async () => 0
    expect(() => define({ commands: { [name]: { describe: 'x', run } } })).toThrow(`command ${name} must be words`)
  })

  test('rejects a command without a function', () => {
    const commands = { mine: { describe: 'x' } } as unknown as ServiceDefinition<OptionRecord>['commands']
    expect(() => define({ ...(commands && { commands }) })).toThrow('command mine must have a text describe')
  })

  test.each([undefined, null, [], 'none'])('must return subscribers, not %j', async (returned) => {
    const service = define({ subscribers: () => returned as unknown as Record<string, Subscriber> })
    const logger = pino({ enabled: false })

    await expect(assemble(service, { without: [] } as never, { logger, process })).rejects.toThrow(
      'subscribers must return a record of subscribers by name',
    )
  })

  test.each(['log', 'signals'])('must not replace the subscriber %s', async (name) => {
    const service = define({ subscribers: () => ({ [name]: () => {} }) })
    const logger = pino({ enabled: false })

    await expect(assemble(service, { without: [] } as never, { logger, process })).rejects.toThrow(
      `subscriber ${name} must not have the name of a subscriber that every service has`,
    )
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
