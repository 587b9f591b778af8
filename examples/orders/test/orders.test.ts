import { channels, SecretNotFound, Sensitive, SourceFailure } from 'secret-bus'
import { fakeProvider, type HttpService, startService } from 'secret-bus/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { orders } from '../src/service.ts'
import { onlyWith, type StockApi, startStockApi, status } from './stock-api.ts'

let stockApi: StockApi
/** The API key in the table; a function that throws stands for a failure. */
let key: () => string

beforeEach(async () => {
  stockApi = await startStockApi()
  key = () => 'first-key'
})

afterEach(() => stockApi[Symbol.asyncDispose]())

function start(flags: Record<string, string | number> = {}): Promise<HttpService> {
  const source = fakeProvider(channels.fetchSecret, ({ codeName }) => {
    return { codeName, value: new Sensitive(key()) }
  })
  return startService({ source }, { without: 'dynamodb', 'stock-url': stockApi.origin, ...flags }, orders)
}

const twoTeapots = { sku: 'TEAPOT-1', quantity: 2 }

async function place({ origin }: HttpService, order: unknown = twoTeapots, headers = {}) {
  const response = await fetch(`${origin}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(order),
  })
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) }
}

async function read({ origin }: HttpService, path: string) {
  const response = await fetch(origin + path)
  return { status: response.status, text: await response.text() }
}

/** The readiness of the stock. */
async function stockHealth(service: HttpService) {
  return JSON.parse((await read(service, '/ready')).text).checks.stock
}

describe('an order', () => {
  test('is placed for an item in stock, and can be read', async () => {
    await using service = await start()

    const { status, headers, body } = await place(service)
    const location = headers.get('location') ?? ''
    const found = await read(service, location)

    expect(status).toBe(201)
    expect(body).toEqual({ id: expect.any(String), ...twoTeapots, total: 1_998 })
    expect(location).toBe(`/orders/${body.id}`)
    expect(found).toEqual({ status: 200, text: JSON.stringify(body) })
  })

  test('is priced and reserved in the stock API, with the API key and the id of the request', async () => {
    await using service = await start()

    await place(service, twoTeapots, { 'x-request-id': 'rose-1' })

    const common = { key: 'first-key', requestId: 'rose-1' }
    expect(stockApi.received).toEqual([
      { path: '/items/TEAPOT-1', body: undefined, ...common },
      { path: '/reservations', body: twoTeapots, ...common },
    ])
  })

  test('that is unknown is 404', async () => {
    await using service = await start()

    const { status, text } = await read(service, '/orders/unknown')

    expect(status).toBe(404)
    expect(JSON.parse(text)).toMatchObject({
      type: 'urn:orders:problem:order-not-found',
      detail: 'The order does not exist.',
    })
  })

  test('is dropped when there are more orders than are kept', async () => {
    await using service = await start({ 'max-orders': 1 })
    const first = await place(service)
    const second = await place(service)

    expect((await read(service, `/orders/${first.body.id}`)).status).toBe(404)
    expect((await read(service, `/orders/${second.body.id}`)).status).toBe(200)
  })

  test.each([
    ['no item', { quantity: 1 }, "body must have required property 'sku'"],
    ['an invalid item', { sku: '../keys', quantity: 1 }, 'body/sku must match pattern'],
    ['no unit', { sku: 'TEAPOT-1', quantity: 0 }, 'body/quantity must be >= 1'],
    ['too many units', { sku: 'TEAPOT-1', quantity: 101 }, 'body/quantity must be <= 100'],
    ['half a unit', { sku: 'TEAPOT-1', quantity: 0.5 }, 'body/quantity must be integer'],
    ['an unknown property', { ...twoTeapots, price: 1 }, 'body must NOT have additional properties'],
    ['a list', [twoTeapots], 'body must be object'],
  ])('with %s is refused without a request to the stock API', async (_case, order, reason) => {
    await using service = await start()

    const { status, body } = await place(service, order)

    expect(status).toBe(400)
    expect(body.detail).toContain(reason)
    expect(stockApi.received).toEqual([])
  })
})

describe('the stock API', () => {
  test('refuses an order with the item that is out of stock', async () => {
    await using service = await start()
    await place(service)
    stockApi.respond = status(409)

    expect(await place(service)).toMatchObject({
      status: 409,
      body: { type: 'urn:orders:problem:out-of-stock', sku: 'TEAPOT-1' },
    })
    expect(await stockHealth(service)).toEqual([{ status: 'pass' }])
  })

  test('refuses an order of an unknown item', async () => {
    stockApi.respond = status(404)
    await using service = await start()

    expect(await place(service)).toMatchObject({
      status: 422,
      body: { type: 'urn:orders:problem:unknown-item', sku: 'TEAPOT-1' },
    })
  })

  test.each([
    ['is overloaded', status(503, { 'retry-after': '30' }), '30'],
    ['is throttling', status(429), '5'],
    ['fails', status(500), '5'],
    ['closes the connection', (request) => void request.destroy(), '5'],
    ['sends no JSON', (_request, response) => void response.end('<html>'), '5'],
    ['does not answer in time', () => {}, '5'],
  ] satisfies [string, NonNullable<StockApi['respond']>, string][])(
    'that %s is 503',
    async (_case, respond, seconds) => {
      stockApi.respond = respond
      await using service = await start({ 'stock-timeout': '200ms' })

      const { status, headers, body } = await place(service)

      expect({ status, type: body.type }).toEqual({ status: 503, type: 'urn:orders:problem:stock-unavailable' })
      expect(headers.get('retry-after')).toBe(seconds)
      expect(await stockHealth(service)).toEqual([
        { status: 'warn', output: 'the last request to the stock API failed' },
      ])

      stockApi.respond = undefined
      const accepted = async () => (await place(service)).status
      await expect.poll(accepted, { timeout: 4_000 }).toBe(201) // after the backoff of the price
      expect(await stockHealth(service)).toEqual([{ status: 'pass' }])
    },
  )

  test('that sends no price is 502', async () => {
    stockApi.respond = (_request, response) => void response.end('{"price":"free"}')
    await using service = await start()

    expect(await place(service)).toMatchObject({ status: 502, body: { type: 'urn:orders:problem:source-unavailable' } })
  })

  test('is not asked for a price again until its TTL has passed', async () => {
    await using service = await start()
    await place(service)
    await place(service)
    await using uncached = await start({ 'price-ttl': 0 })
    await place(uncached)
    await place(uncached)

    const [, , , ...withoutCache] = stockApi.received.map(({ path }) => path)
    expect(stockApi.received.slice(0, 3).map(({ path }) => path)).toEqual([
      '/items/TEAPOT-1',
      '/reservations',
      '/reservations',
    ])
    expect(withoutCache.filter((path) => path.startsWith('/items'))).toHaveLength(2)
  })

  test('is asked once for the price in concurrent orders', async () => {
    await using service = await start()

    await Promise.all([place(service), place(service), place(service)])

    const asked = stockApi.received.filter(({ path }) => path.startsWith('/items'))
    expect(asked).toHaveLength(1)
  })

  test('is not asked again for an unknown item', async () => {
    stockApi.respond = status(404)
    await using service = await start()

    const replies = [await place(service), await place(service)]

    expect(replies.map(({ status }) => status)).toEqual([422, 422])
    expect(stockApi.received).toHaveLength(1)
  })
})

describe('the API key', () => {
  test('is read again by a reload, as are the prices', async () => {
    await using service = await start({ 'min-refresh-interval': '1h' }) // so that only the reload reads the key again
    await place(service)
    stockApi.respond = onlyWith('second-key')
    key = () => 'second-key'

    const refused = await place(service)
    const outcomes = await service.bus.gracefulSettled()
    await place(service)

    expect(refused).toMatchObject({ status: 502, body: { type: 'urn:orders:problem:source-refused' } })
    expect(service.messages('error').join()).toContain('/reservations: status 401')
    expect(outcomes).toContainEqual({ handler: 'prices', status: 'fulfilled', value: { expired: 1 } })
    expect(stockApi.received.slice(-2)).toMatchObject([
      { path: '/items/TEAPOT-1', key: 'second-key' },
      { path: '/reservations', key: 'second-key' },
    ])
  })

  test.each([401, 403])('is read again when the stock API answers %i, and the request is repeated', async (code) => {
    await using service = await start({ 'min-refresh-interval': '1ms' })
    await place(service)
    stockApi.respond = onlyWith('second-key', code)
    key = () => 'second-key'

    const reservation = await place(service)
    stockApi.respond = onlyWith('third-key', code)
    key = () => 'third-key'
    const price = await place(service, { sku: 'KETTLE-1', quantity: 1 })

    expect([reservation.status, price.status]).toEqual([201, 201])
    expect(stockApi.received.slice(2).map(({ path, key }) => `${path} ${key}`)).toEqual([
      '/reservations first-key',
      '/reservations second-key',
      '/items/KETTLE-1 second-key',
      '/items/KETTLE-1 third-key',
      '/reservations third-key',
    ])
    expect(await stockHealth(service)).toEqual([{ status: 'pass' }])
  })

  test('that is another wrong one is tried once', async () => {
    await using service = await start({ 'min-refresh-interval': '1ms' })
    await place(service)
    stockApi.respond = status(401)
    let reads = 0
    key = () => `wrong-key-${++reads}`

    expect(await place(service)).toMatchObject({ status: 502, body: { type: 'urn:orders:problem:source-refused' } })

    expect(stockApi.received.slice(2).map(({ key }) => key)).toEqual(['first-key', 'wrong-key-1'])
  })

  test('that stays wrong is read at most once per minimum refresh interval', async () => {
    const interval = 100
    let reads = 0
    key = () => {
      reads += 1
      return 'wrong-key'
    }
    const began = performance.now()
    await using service = await start({ 'min-refresh-interval': `${interval}ms` })
    await place(service) // so that the price is cached, and every order causes a reservation
    stockApi.respond = status(401)

    let orders = 0
    while (reads < 4) {
      const replies = await Promise.all(Array.from({ length: 10 }, () => place(service)))
      orders += replies.length
      expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([502]))
    }

    expect(reads).toBeLessThanOrEqual(1 + (performance.now() - began) / interval)
    expect(stockApi.received).toHaveLength(2 + orders)
  })

  test('that is refused while it cannot be read again is a refusal', async () => {
    await using service = await start({ 'min-refresh-interval': '1ms' })
    await place(service)
    stockApi.respond = status(401)
    key = () => {
      throw new SourceFailure('SOURCE_THROTTLED', 'slow down')
    }

    const replies = [await place(service), await place(service)] // the second one in the backoff of the key

    const refusal = { status: 502, body: { type: 'urn:orders:problem:source-refused' } }
    expect(replies).toMatchObject([refusal, refusal])
    expect(service.messages('warn')).toContain('Failed to fetch secret stock-api-key: slow down')
  })

  test.each([
    [new SecretNotFound('stock-api-key'), 'urn:orders:problem:secret-missing', 502],
    [new SourceFailure('SOURCE_THROTTLED', 'slow down'), 'urn:orders:problem:source-throttled', 503],
  ])('that cannot be read (%s) is a failure of the service', async (error, type, status) => {
    key = () => {
      throw error
    }
    await using service = await start()

    expect(await place(service)).toMatchObject({ status, body: { type } })
    expect(stockApi.received).toEqual([])
  })

  test('appears neither in replies nor in the log', async () => {
    await using service = await start()
    await place(service)
    stockApi.respond = status(401)

    const reply = await place(service)

    expect(JSON.stringify([reply, service.records, service.activity])).not.toContain('first-key')
  })
})

describe('orders', () => {
  test('counts its outcomes and measures the stock API', async () => {
    await using service = await start()
    await place(service)
    stockApi.respond = status(409)
    await place(service)

    const { text } = await read(service, '/metrics')

    expect(text).toContain('orders_placed_total{outcome="accepted"} 1\n')
    expect(text).toContain('orders_placed_total{outcome="OUT_OF_STOCK"} 1\n')
    expect(text).toContain('orders_stock_request_duration_seconds_count 3\n')
  })

  test('counts the reads of prices', async () => {
    await using service = await start()
    await place(service)
    await place(service)
    stockApi.respond = status(404)
    await place(service, { sku: 'KETTLE-1', quantity: 1 })

    const { text } = await read(service, '/metrics')

    expect(text).toContain('orders_price_reads_total{result="miss"} 2\n')
    expect(text).toContain('orders_price_reads_total{result="hit"} 1\n')
    expect(text).toContain('orders_price_fetches_total{outcome="ok"} 1\n')
    expect(text).toContain('orders_price_fetches_total{outcome="not_found"} 1\n')
    expect(text).toContain('orders_price_cache_entries 2\n')
  })

  test('documents its routes and problems', async () => {
    await using service = await start()

    const { info, tags, paths } = JSON.parse((await read(service, '/openapi.json')).text)

    expect(info).toMatchObject({ title: 'orders', version: '1.0.0' })
    expect(tags[0]).toEqual({ name: 'Orders', description: 'Place and read orders.' })
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(['/orders', '/orders/{id}', '/health']))
    const responses = paths['/orders'].post.responses
    expect(Object.keys(responses)).toEqual(['201', '400', '409', '413', '422', '500', '502', '503', '504'])
    const { 'out-of-stock': example } = responses[409].content['application/problem+json'].examples
    expect(example.value).toMatchObject({ type: 'urn:orders:problem:out-of-stock', sku: 'TEAPOT-1' })
  })

  test('shows its own name in every reply and log line', async () => {
    await using service = await start()
    const paths = ['/openapi.json', '/metrics', '/health', '/ready', '/docs', '/orders/unknown', '/unknown']

    const shown = await Promise.all(paths.map((path) => read(service, path)))

    expect(JSON.stringify([shown, await place(service, {}), service.records])).not.toMatch(/secret[-_ ]?bus/i)
  })
})
