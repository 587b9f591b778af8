/** Services of others, defined with the public API and run as programs. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startTestService } from '../support/service/test-service.ts'

const index = fileURLToPath(new URL('../../src/index.ts', import.meta.url))

/** Writes a service named orders, with these subscribers in this order, and starts it. */
async function startOrders(
  args: readonly string[] = [],
  {
    subscribers = '...mine, ...server',
    env = {},
    more = '',
  }: Partial<{ subscribers: string; env: object; more: string }> = {},
) {
  const folder = await mkdtemp(join(import.meta.dirname, '.orders-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const program = join(folder, 'main.ts')
  await writeFile(
    program,
    `import { channels, defineService, http, lifecycle, request, run } from '${index}'
    const quote = request<string, string>('quote.get')
    const orders = defineService({
      name: 'orders',
      version: '1.2.3',
      description: 'Takes orders',
      options: { ...http.options, stockUrl: { type: 'url', default: 'http://stock', describe: 'URL of the stock API' } },
      subscribers: async (options) => {
        const server = await http.subscribers(options)
        const mine = {
          stock: (bus) => {
            bus.subscribe(lifecycle.start, () => bus.log('info', 'Stock started'))
            bus.subscribe(lifecycle.stop, () => bus.log('info', 'Stock stopped'))
            bus.provide(quote, (sku) => sku + ' at ' + options.stockUrl)
          },
          'quote-routes': (bus) => bus.subscribe(channels.httpRoutes, (app) => {
            app.get('/quotes/:sku', ({ params }) => bus.request(quote, params.sku))
            app.get('/open', { config: { open: true } }, () => 'open')
          }),
        }
        return { ${subscribers} }
      },
      ${more}
    })
    process.exit(await run(orders, process))`,
  )
  const service = startTestService(args, { ORDERS_AUTH_TOKEN: 'classified', ...env }, program)
  const get = async (path: string, token = 'classified') => {
    const headers = { authorization: `Bearer ${token}` }
    const reply = await fetch(`${await service.address()}${path}`, { headers })
    return { status: reply.status, text: await reply.text() }
  }
  return { ...service, get }
}

describe.each(['...mine, ...server', '...server, ...mine'])(
  'a service with its subscribers in the order %s',
  (subscribers) => {
    test('listens after its own subscribers have started', async () => {
      const service = await startOrders([], { subscribers })

      expect(await service.get('/quotes/tea')).toEqual({ status: 200, text: 'tea at http://stock' })
      service.child.kill('SIGTERM')
      expect(await service.exited).toBe(0)
      const messages = service.stdout.map((line) => JSON.parse(line).msg)
      expect(messages.indexOf('Stock started')).toBeLessThan(
        messages.findIndex((message) => message.startsWith('Listening on')),
      )
      expect(messages.slice(-2)).toEqual(['Bus EXITING', 'Bus EXITED'])
    })

    test('requires authentication for its own routes, except open ones', async () => {
      const service = await startOrders([], { subscribers })

      expect((await service.get('/quotes/tea', 'other')).status).toBe(401)
      expect((await service.get('/open', 'other')).status).toBe(200)
      expect((await service.get('/metrics')).text).toContain(
        'orders_http_requests_total{route="/quotes/:sku",status="401"} 1',
      )
    })
  },
)

describe('a service with another name', () => {
  test('uses it everywhere, and says nothing about secrets', async () => {
    const service = await startOrders()
    const texts = await Promise.all(
      ['/openapi.json', '/metrics', '/docs', '/none', '/health', '/ready'].map((path) => service.get(path)),
    )
    const help = await startOrders(['--help'])
    expect(await help.exited).toBe(0)

    const all = [...texts.map(({ text }) => text), ...help.stdout, ...service.stdout].join('\n')
    expect(all).not.toMatch(/secret.?bus|\bsecrets?\b/i)
    expect(all).toContain('"title":"orders"')
    expect(help.stdout.join('\n')).toMatch(/orders healthcheck .*--stock-url +URL of the stock API/s)
  })

  test('reads its options from variables with its own prefix', async () => {
    const service = await startOrders([], {
      env: { ORDERS_STOCK_URL: 'http://other', SECRET_BUS_PORT: '1', ORDERS_PROT: '1' },
    })

    expect((await service.get('/quotes/tea')).text).toBe('tea at http://other')
    expect(service.stdout.join('\n')).toContain('Ignoring unknown variable ORDERS_PROT; did you mean ORDERS_PORT?')
  })

  test('reports a usage error under its own name', async () => {
    const service = await startOrders(['--stock-url', 'stock'])

    expect(await service.exited).toBe(64)
    expect(service.stderr).toEqual([
      'orders: --stock-url must be a URL with the scheme http:// or https://, received "stock"',
    ])
  })

  test('checks its own health', async () => {
    const service = await startOrders()
    const { port } = new URL(await service.address())
    const check = await startOrders(['healthcheck', '--port', port])

    expect(await check.exited).toBe(0)
    expect(check.stdout).toEqual(['healthy'])
  })

  test('may have commands of its own, with their arguments', async () => {
    const more = `commands: { greet: { args: '<name> [words..]', describe: 'Greet', run: async (args, process) => {
      process.stdout.write(args.join('|') + '\\n')
      return 3
    } } },`
    const service = await startOrders(['greet', 'rose', 'hello', 'there'], { more })
    expect(await service.exited).toBe(3)
    expect(service.stdout).toEqual(['rose|hello|there'])

    const missing = await startOrders(['greet'], { more })
    expect(await missing.exited).toBe(64)
    expect(missing.stderr).toHaveLength(1)
  })

  test('exits with 78 if a route documents a problem that is not declared', async () => {
    const subscribers = `...server, wrong: (bus) => bus.subscribe(channels.httpRoutes, (app) => {
      app.get('/wrong', { config: { documentation: { problems: ['MISSING'] } } }, () => '')
    })`
    const service = await startOrders([], { subscribers })

    expect(await service.exited).toBe(78)
    expect(service.stdout.join('\n')).toContain('The route /wrong documents the problem MISSING, which is not declared')
  })

  test('can leave out a subscriber with a name in camel case', async () => {
    const subscribers = '...server, quoteRoutes: () => { throw new Error("not left out") }'
    const service = await startOrders(['--without', 'quoteRoutes'], { subscribers })

    expect((await service.get('/health')).status).toBe(200)
  })

  test('exits with 70 and one line if a subscriber is asynchronous', async () => {
    const service = await startOrders([], { subscribers: '...server, late: async () => { throw new Error("late") }' })

    expect(await service.exited).toBe(70)
    expect(service.stderr).toEqual(['orders: subscriber late must be synchronous, but returned a promise'])
  })

  test.for(['authentication', 'no-authentication'])('cannot leave out %s, which protects it', async (name) => {
    const service = await startOrders(['--without', name])

    expect(await service.exited).toBe(64)
    expect(service.stderr).toEqual([expect.stringContaining(`received "${name}"`)])
  })
})
