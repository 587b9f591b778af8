/** Defines orders: its options and its subscribers. */
import { defineService, http, integer, readPackage, secrets } from 'secret-bus'

export const orders = defineService({
  ...readPackage(import.meta.url),
  options: {
    ...http.options,
    ...secrets.options,
    codeNames: {
      ...secrets.options.codeNames,
      describe: 'Key of the secret with the API key of the stock API',
      default: 'stock-api-key',
    },
    maxOrders: {
      group: 'Orders',
      describe: 'Number of orders to keep, 1 to 1000000; the oldest are dropped',
      type: integer(1, 1_000_000),
      default: 10_000,
    },
    stockUrl: { group: 'Stock', describe: 'Origin of the stock API', type: 'origin', default: 'http://127.0.0.1:5001' },
    stockTimeout: {
      group: 'Stock',
      describe: 'Total timeout of a request to the stock API',
      type: 'time-limit',
      default: '2s',
    },
    priceTtl: { group: 'Stock', describe: 'Cache TTL of a price; 0 disables caching', type: 'duration', default: '1m' },
  },
  commands: http.commands,
  subscribers: async (options, context) => {
    const [{ orderBook }, { orderRoutes }, { prices }, { stock }] = await Promise.all([
      import('./order-book.ts'),
      import('./order-routes.ts'),
      import('./prices.ts'),
      import('./stock.ts'),
    ])
    return {
      ...(await http.subscribers(options)),
      ...(await secrets.subscribers(options, context)),
      stock: stock(options),
      prices: prices(options),
      'order-book': orderBook(options),
      'order-routes': orderRoutes(),
    }
  },
})
