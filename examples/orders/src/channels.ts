/** The channels of orders, and the errors of their providers. */
import { request } from 'secret-bus'

/** What a client orders. */
export interface OrderLine {
  readonly sku: string
  readonly quantity: number
}

export interface Order extends OrderLine {
  readonly id: string
  /** Price of all units, in cents. */
  readonly total: number
}

/** Places an order. Requested by the routes, provided by the order book. */
export const placeOrder = request<OrderLine, Order>('order.place')

/** Returns an order that has been placed. Requested by the routes, provided by the order book. */
export const getOrder = request<{ readonly id: string }, Order>('order.get')

/** Returns the price of one unit in cents. Requested by the order book, provided by the prices, from a cache. */
export const getPrice = request<{ readonly sku: string }, number>('price.get')

/** Reads the price of one unit in cents. Requested by the prices, provided by the stock. */
export const fetchPrice = request<{ readonly sku: string }, number>('price.fetch')

/** Reserves units of an item. Requested by the order book, provided by the stock. */
export const reserveStock = request<OrderLine, void>('stock.reserve')

/** The stock has fewer units than the order. */
export class OutOfStock extends Error {
  override readonly name = 'OutOfStock'
  readonly code = 'OUT_OF_STOCK'
  readonly sku: string

  constructor(sku: string, options?: ErrorOptions) {
    super(`Item ${sku} is out of stock`, options)
    this.sku = sku
  }
}

/** The stock API does not know the item. */
export class UnknownItem extends Error {
  override readonly name = 'UnknownItem'
  readonly code = 'UNKNOWN_ITEM'
  readonly sku: string

  constructor(sku: string, options?: ErrorOptions) {
    super(`Item ${sku} does not exist`, options)
    this.sku = sku
  }
}

/** The stock API is overloaded, slow or unreachable. */
export class StockUnavailable extends Error {
  override readonly name = 'StockUnavailable'
  readonly code = 'STOCK_UNAVAILABLE'
  /** Time to wait before a retry, in milliseconds. */
  readonly retryAfter: number

  constructor(retryAfter: number, options?: ErrorOptions) {
    super('The stock API is unavailable', options)
    this.retryAfter = retryAfter
  }
}

/** No order has this id, or it has been dropped. */
export class OrderNotFound extends Error {
  override readonly name = 'OrderNotFound'
  readonly code = 'ORDER_NOT_FOUND'

  constructor(id: string) {
    super(`Order ${id} does not exist`)
  }
}
