/** The JSON schemas and the documentation of the routes. */
import type { RouteConfig } from 'secret-bus'

const line = {
  sku: { type: 'string', pattern: '^[A-Z0-9-]{1,40}$', description: 'The item.', examples: ['TEAPOT-1'] },
  quantity: { type: 'integer', minimum: 1, maximum: 100, description: 'Number of units.', examples: [2] },
}

const order = {
  type: 'object',
  required: ['id', 'sku', 'quantity', 'total'],
  properties: {
    id: { type: 'string', description: 'The order.' },
    ...line,
    total: { type: 'integer', description: 'Price of all units, in cents.', examples: [1_998] },
  },
}

const tag = { name: 'Orders', description: 'Place and read orders.' }

export const place = {
  schema: {
    operationId: 'placeOrder',
    summary: 'Place an order',
    description: 'Reserves the units in the stock. The response has the path of the order in `Location`.',
    body: { type: 'object', additionalProperties: false, required: ['sku', 'quantity'], properties: line },
    response: { 201: { description: 'The order.', ...order } },
  },
  config: {
    documentation: {
      tag,
      problems: [
        { code: 'UNKNOWN_ITEM', example: { sku: 'TEAPOT-1' } },
        { code: 'OUT_OF_STOCK', example: { sku: 'TEAPOT-1' } },
        'STOCK_UNAVAILABLE',
        'SOURCE_REFUSED',
        'SOURCE_TIMEOUT',
        'SECRET_NOT_FOUND',
      ],
    },
  } satisfies RouteConfig,
}

export const read = {
  schema: {
    operationId: 'getOrder',
    summary: 'Get an order',
    params: { type: 'object', properties: { id: { type: 'string', description: 'The order.' } } },
    response: { 200: { description: 'The order.', ...order } },
  },
  config: { documentation: { tag, problems: ['ORDER_NOT_FOUND'] } } satisfies RouteConfig,
}
