/** Provides `price.fetch` and `stock.reserve` from the stock API. Its key is one of the secrets. */
import {
  type CallContext,
  channels,
  histogram,
  lifecycle,
  type Sensitive,
  SourceFailure,
  type Subscriber,
  upstream,
} from 'secret-bus'
import { fetchPrice, OutOfStock, reserveStock, StockUnavailable, UnknownItem } from './channels.ts'

export interface StockOptions {
  /** Code names of the secrets; the first is that of the API key. */
  readonly codeNames: readonly [string, ...string[]]
  readonly stockUrl: string
  /** In milliseconds. */
  readonly stockTimeout: number
}

/** Time after which a client may try again if the stock API does not say, in milliseconds. */
const retryAfter = 5_000

export const stock =
  ({ codeNames: [codeName], stockUrl, stockTimeout }: StockOptions): Subscriber =>
  (bus) => {
    const requestKey = bus.requester(channels.getSecret)
    const api = upstream({ origin: stockUrl, timeout: stockTimeout })
    const durations = histogram({
      name: `${bus.service.metricPrefix}stock_request_duration_seconds`,
      help: 'Duration of requests to the stock API.',
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 2],
    })
    /** Whether the last request failed. */
    let failing = false

    /**
     * Returns the key that has replaced a refused one. The cache limits how often the key is read for this.
     * @throws the refusal if it is not about the key, or the key is the same or cannot be read
     */
    const replacementOf = async (key: Sensitive, refusal: unknown, call: CallContext): Promise<Sensitive> => {
      if (!isRefusedKey(refusal)) throw refusal
      const latest = await requestKey({ codeName, maxAge: 0 }, call).catch(() => undefined) // logged by the cache
      if (!latest || latest.value.reveal() === key.reveal()) throw refusal
      return latest.value
    }

    const send = async (path: string, sku: string, call: CallContext, body?: unknown): Promise<unknown> => {
      const sendWith = async (key: Sensitive): Promise<unknown> => {
        const began = performance.now()
        try {
          return (await api.request(path, { body, headers: { 'x-api-key': key }, call })).body
        } finally {
          durations.observe((performance.now() - began) / 1_000)
        }
      }
      const { value: key } = await requestKey({ codeName }, call)
      try {
        const reply = await sendWith(key).catch(async (error) => sendWith(await replacementOf(key, error, call)))
        failing = false
        return reply
      } catch (error) {
        const failure = failureOf(error, sku)
        failing = failure instanceof StockUnavailable || failure instanceof SourceFailure
        throw failure
      }
    }

    bus.provide(fetchPrice, async ({ sku }, call) =>
      priceIn(await send(`/items/${encodeURIComponent(sku)}`, sku, call)),
    )

    bus.provide(reserveStock, async ({ sku, quantity }, call) => {
      await send('/reservations', sku, call, { sku, quantity })
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

/** Whether the stock API refuses the key. A request may be repeated with another key after a 403, too (RFC 9110 §15.5.4). */
const isRefusedKey = (error: unknown): boolean =>
  error instanceof SourceFailure && (error.status === 401 || error.status === 403)

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
