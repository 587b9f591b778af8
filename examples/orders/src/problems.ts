/** The problem types of orders: what clients receive for the errors of the providers. */
import type { channels } from 'secret-bus'

export const problems = {
  UNKNOWN_ITEM: {
    status: 422,
    title: 'Unknown item',
    detail: 'The item does not exist.',
    members: { sku: { type: 'string', description: 'The item.' } },
  },
  OUT_OF_STOCK: {
    status: 409,
    title: 'Out of stock',
    detail: 'The stock has fewer units than the order.',
    members: { sku: { type: 'string', description: 'The item.' } },
  },
  STOCK_UNAVAILABLE: {
    status: 503,
    title: 'Stock unavailable',
    detail: 'The stock cannot be checked at the moment.',
    retryAfter: true,
  },
  ORDER_NOT_FOUND: { status: 404, title: 'Order not found', detail: 'The order does not exist.' },
} satisfies Record<string, channels.ProblemDeclaration>
