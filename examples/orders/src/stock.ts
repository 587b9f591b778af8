/** Provides `stock.price` and `stock.reserve` from the stock API. Its key is one of the secrets. */
import { type CallContext, channels, histogram, lifecycle, SourceFailure, type Subscriber, upstream } from 'secret-bus'
import { getPrice, OutOfStock, reserveStock, StockUnavailable, UnknownItem } from './channels.ts'

export interface StockOptions {
  /** Code names of the secrets; the first is that of the API key. */
  readonly codeNames: readonly [string, ...string[]]
  readonly stockUrl: string
  /** In milliseconds. */
  readonly stockTimeout: number
  /** In milliseconds. */
  readonly priceTtl: number
}

/** Time after which a client may try again if the stock API does not say, in milliseconds. */
const retryAfter = 5_000

/** Number of prices to keep. */
const maxPrices = 10_000

export const stock =
  ({ codeNames: [codeName], stockUrl, stockTimeout, priceTtl }: StockOptions): Subscriber =>
  (bus) => {
    const requestKey = bus.requester(channels.getSecret)
    const api = upstream({ origin: stockUrl, timeout: stockTimeout })
    const prices = new Map<string, { readonly cents: number; readonly until: number }>()
    const durations = histogram({
      name: `${bus.service.metricPrefix}stock_request_duration_seconds`,
      help: 'Duration of requests to the stock API.',
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 2],
    })
    /** Whether the last request failed. */
    let failing = false

    const send = async (path: string, sku: string, call: CallContext, body?: unknown): Promise<unknown> => {
      const { value: key } = await requestKey({ codeName }, call)
      const began = performance.now()
      try {
        const response = await api.request(path, { body, headers: { 'x-api-key': key }, call })
        failing = false
        return response.body
      } catch (error) {
        const failure = failureOf(error, sku)
        failing = failure instanceof StockUnavailable || failure instanceof SourceFailure
        throw failure
      } finally {
        durations.observe((performance.now() - began) / 1_000)
      }
    }

    bus.provide(getPrice, async ({ sku }, call) => {
      const known = prices.get(sku)
      if (known && known.until > performance.now()) return known.cents
      const item = await send(`/items/${encodeURIComponent(sku)}`, sku, call)
      const cents = priceIn(item)
      prices.delete(sku) // so that the oldest price is the first
      prices.set(sku, { cents, until: performance.now() + priceTtl })
      const [oldest] = prices.keys()
      if (oldest !== undefined && prices.size > maxPrices) prices.delete(oldest)
      return cents
    })

    bus.provide(reserveStock, async ({ sku, quantity }, call) => {
      await send('/reservations', sku, call, { sku, quantity })
    })

    // A reload reads the API key again, because the cache of the secrets is listed before this subscriber.
    bus.subscribe(lifecycle.graceful, () => {
      const dropped = prices.size
      prices.clear()
      return { dropped }
    })

    bus.subscribe(lifecycle.stop, () => api.close())

    // A warning, because an outage of the stock API must not take instances out of service that can serve orders.
    bus.subscribe(channels.checkHealth, () =>
      failing
        ? { name: 'stock', status: 'warn', output: 'the last request to the stock API failed' }
        : { name: 'stock', status: 'pass' },
    )

    bus.subscribe(channels.collectMetrics, () => [durations.metric()])
  }

/** The error that callers on the bus receive for a failed request. */
function failureOf(cause: unknown, sku: string): unknown {
  if (!(cause instanceof SourceFailure)) return cause // the client has disconnected
  if (cause.status === 404) return new UnknownItem(sku, { cause })
  if (cause.status === 409) return new OutOfStock(sku, { cause })
  if (cause.code === 'SOURCE_REFUSED') return cause // such as a wrong API key
  return new StockUnavailable(cause.retryAfter ?? retryAfter, { cause })
}

/** @throws SourceFailure unless the item has a price in cents */
function priceIn(item: unknown): number {
  const price = typeof item === 'object' && item !== null && 'price' in item ? item.price : undefined
  if (typeof price === 'number' && Number.isSafeInteger(price) && price >= 0) return price
  throw new SourceFailure('SOURCE_UNAVAILABLE', 'price of the stock API must be a whole number of cents')
}
