/** Provides `price.get` from a cache, which it fills through `price.fetch`. */
import { cached, type Subscriber } from 'secret-bus'
import { fetchPrice, getPrice, UnknownItem } from './channels.ts'

/** All times are in milliseconds. */
export interface PricesOptions {
  readonly priceTtl: number
  /** Total timeout of a request to the stock API. */
  readonly stockTimeout: number
  /** Total timeout of a read of the API key. */
  readonly fetchTimeout: number
}

export const prices = ({ priceTtl, stockTimeout, fetchTimeout }: PricesOptions): Subscriber =>
  cached({
    ask: fetchPrice,
    answer: getPrice,
    key: ({ sku }) => sku,
    reply: (cents) => cents,
    // The stock sends up to two requests for a price, and reads the key before each.
    policy: { ttl: priceTtl, maxEntries: 10_000, fetchTimeout: 2 * (fetchTimeout + stockTimeout) },
    absent: (error) => error instanceof UnknownItem,
    words: { one: 'price', label: 'sku' },
  })
