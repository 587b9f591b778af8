/** The lines at the start name versions and options, but no secrets. */
import { expect, test } from 'vitest'
import { effectiveOptions } from '../../src/runtime/options/load.ts'
import { type OptionRecord, resolveOptions } from '../../src/runtime/options/option.ts'
import { startLog } from '../../src/runtime/start-log.ts'
import { Sensitive } from '../../src/secret.ts'
import { secretBus } from '../../src/service.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'

/** The options of a plugin, with each kind that can hold a secret. */
const pluginOptions = {
  password: { type: 'secret', describe: 'x' },
  tokens: { type: 'secret', repeatable: true, describe: 'x' },
  custom: { type: { parse: (text: string) => new Sensitive(text), allowed: 'x' }, describe: 'x' },
  parsed: { type: { parse: (text: string) => ({ text }), allowed: 'x' }, repeatable: true, describe: 'x' },
  api: { type: 'url', describe: 'x' },
  database: { type: 'text', describe: 'x' },
  text: { type: 'text', repeatable: true, describe: 'x' },
  links: { type: 'url', repeatable: true, describe: 'x' },
} as const satisfies OptionRecord

async function linesOf(args: Record<string, readonly string[]>, environment: NodeJS.ProcessEnv) {
  const options = [...secretBus.resolved, ...resolveOptions(secretBus.info, pluginOptions, 'mail')]
  const effective = await effectiveOptions(options, { commandLine: new Map(Object.entries(args)), environment })
  const { bus, records } = recordedBus({ 'start-log': startLog('v24.99.0', effective) })
  await bus.start()
  await bus.exit()
  const [info, debug, ...others] = records.filter(({ message }) => /^(Starting|Using)/.test(message))
  expect(others).toEqual([])
  return { info, debug, all: JSON.stringify(records) }
}

test('name the versions, the given options, and all options with their sources', async () => {
  const { info, debug } = await linesOf(
    { port: ['0'], 'code-name': ['one', 'two'] },
    { SECRET_BUS_CACHE_TTL: '10m', AWS_REGION: 'eu-west-1' },
  )

  const given = { port: '0', 'code-name': ['one', 'two'], region: 'eu-west-1', 'cache-ttl': '10m' }
  expect(info).toMatchObject({
    level: 'info',
    message: expect.stringMatching(/^Starting [a-z-]+ \d+\.\d+\.\d+ on Node\.js v24\.99\.0$/),
    fields: { version: expect.any(String), node: 'v24.99.0' },
  })
  expect(info?.fields).toHaveProperty('options', 'port=0, code-name=one,two, region=eu-west-1, cache-ttl=10m')
  expect(debug).toMatchObject({
    level: 'debug',
    fields: {
      options: { ...given, host: '127.0.0.1', 'max-stale': '1h', 'consistent-read': 'true' },
      from: { port: '--port', 'code-name': '--code-name', region: 'AWS_REGION', 'cache-ttl': 'SECRET_BUS_CACHE_TTL' },
    },
  })
})

test('contain the value of no secret option of the service or of a plugin, and no credentials in URLs', async () => {
  const secret = secretBus.resolved.filter(({ type }) => type.parse('classified') instanceof Sensitive)
  expect(secret.map(({ name }) => name)).toEqual(['authToken', 'clients'])
  const env = {
    SECRET_BUS_MAIL_PASSWORD: 'classified',
    SECRET_BUS_MAIL_TOKENS: 'classified,classified-2',
    SECRET_BUS_MAIL_CUSTOM: 'classified',
    SECRET_BUS_MAIL_PARSED: 'classified,classified',
    SECRET_BUS_MAIL_DATABASE: 'postgres://app:classified/@x?@db/orders#classified',
  }
  const url = 'https://classified:classified@host:1/path?token=a@classified#classified'
  const ambiguous = ['postgres://app:pa?classified@db/orders', 'http://a:b@c,http://d:classified@e']
  const args = {
    'dynamodb-endpoint': [url],
    'mail-api': [url],
    'mail-links': [url, url],
    project: [url],
    'mail-text': ambiguous,
  }

  for (const { variable } of secret) {
    const { info, debug, all } = await linesOf(args, { ...env, [variable]: 'classified' })

    expect(all).not.toContain('classified')
    expect(debug?.fields).toMatchObject({ options: { [variable]: '[set]', SECRET_BUS_MAIL_PASSWORD: '[set]' } })
    expect(debug?.fields).toMatchObject({
      options: {
        'dynamodb-endpoint': 'https://host:1/path',
        'mail-links': Array(2).fill('https://host:1/path'),
        'mail-text': ['postgres://[redacted]', 'http://[redacted]'],
      },
    })
    expect(info?.fields).toHaveProperty('options', expect.stringContaining(`${variable}=[set]`))
  }
})
