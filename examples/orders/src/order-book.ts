/** Provides `order.place` and `order.get`, with the orders in memory. */
import { randomUUID } from 'node:crypto'
import { channels, codeOf, counter, type Subscriber } from 'secret-bus'
import { getOrder, getPrice, type Order, OrderNotFound, placeOrder, reserveStock } from './channels.ts'

export interface OrderBookOptions {
  /** Number of orders to keep. The oldest are dropped. */
  readonly maxOrders: number
}

export const orderBook =
  ({ maxOrders }: OrderBookOptions): Subscriber =>
  (bus) => {
    const priceOf = bus.requester(getPrice)
    const reserve = bus.requester(reserveStock)
    const orders = new Map<string, Order>()
    const outcomes = counter({
      name: `${bus.service.metricPrefix}placed_total`,
      help: 'Orders by outcome: accepted, or the code of the error.',
      labels: ['outcome'],
    })

    bus.provide(placeOrder, async ({ sku, quantity }, call) => {
      try {
        const price = await priceOf({ sku }, call)
        await reserve({ sku, quantity }, call)
        const order = { id: randomUUID(), sku, quantity, total: price * quantity }
        orders.set(order.id, order)
        const [oldest] = orders.keys()
        if (oldest !== undefined && orders.size > maxOrders) orders.delete(oldest)
        outcomes.labels({ outcome: 'accepted' }).add()
        return order
      } catch (error) {
        outcomes.labels({ outcome: String(codeOf(error) ?? 'unknown') }).add()
        throw error
      }
    })

    bus.provide(getOrder, ({ id }) => {
      const order = orders.get(id)
      if (!order) throw new OrderNotFound(id)
      return order
    })

    bus.subscribe(channels.collectMetrics, () => [outcomes.metric()])
  }
