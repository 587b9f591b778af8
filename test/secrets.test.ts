import { channels, defineService, http, Sensitive, secrets } from 'secret-bus'
import { fakeProvider, startService } from 'secret-bus/testing'
import { describe, expect, test } from 'vitest'

const shop = defineService({
  name: 'shop',
  version: '1.0.0',
  options: {
    ...http.options,
    ...secrets.options,
    codeNames: { ...secrets.options.codeNames, default: 'shop-key' },
  },
  subscribers: async (options, context) => ({
    ...(await http.subscribers(options)),
    ...(await secrets.subscribers(options, context)),
  }),
})

describe('the secrets of a service', () => {
  test('are read from the table, and not served over HTTP', async () => {
    await using service = await startService({}, { embedded: true }, shop)

    const { value } = await service.bus.request(channels.getSecret, { codeName: 'shop-key' })

    expect(value.reveal()).toBe('the secret of shop-key')
    expect((await fetch(`${service.origin}/secret`)).status).toBe(404)
  })

  test('may come from another source', async () => {
    const source = fakeProvider(channels.fetchSecret, ({ codeName }) => {
      return { codeName, value: new Sensitive('bad wolf') }
    })
    await using service = await startService({ source }, { without: 'dynamodb' }, shop)

    const { value } = await service.bus.request(channels.getSecret, { codeName: 'shop-key' })

    expect(value.reveal()).toBe('bad wolf')
  })
})
