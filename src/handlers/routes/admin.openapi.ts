/** The OpenAPI description of the administration routes. */
import type { RouteShorthandOptions } from 'fastify'
import { RequestError } from '../server/request-error.ts'

const listener = { type: 'string', description: 'Name of the subscriber that owns the listener.' }
const listOf = (properties: object) => ({
  type: 'array',
  items: { type: 'object', required: ['listener'], properties: { listener, ...properties } },
})
const reloaded = listOf({
  result: { description: 'Summary of the reloaded data; its schema depends on the subscriber.' },
})
const failed = listOf({ detail: { type: 'string' } })

const others = [{ listener: 'clients', result: { clients: 1, tokens: 1 } }, { listener: 'http-server' }]

export const route = {
  schema: {
    operationId: 'reload',
    summary: 'Reload cached data, clients and the TLS certificate',
    description: 'Same as SIGHUP. Open connections stay open. Available only if authentication is enabled.',
    tags: ['Operations'],
  },
  config: {
    needs: 'reload',
    documentation: {
      replies: [
        {
          status: 200,
          description: 'All subscribers reloaded; lists the result of each.',
          mediaType: 'application/json',
          schema: { type: 'object', required: ['reloaded'], properties: { reloaded } },
          examples: {
            reloaded: {
              summary: 'Reloaded',
              value: { reloaded: [{ listener: 'cache', result: { reloaded: 1 } }, ...others] },
            },
          },
          headers: ['Cache-Control'],
        },
      ],
      problems: [
        {
          code: 'RELOAD_FAILED',
          members: { failed, reloaded },
          example: {
            failed: [{ listener: 'cache', detail: 'The source is unavailable.' }],
            reloaded: others,
          },
        },
        'BUS_EXITING',
        new RequestError(415, 'Unsupported Media Type'),
      ],
    },
  },
} satisfies RouteShorthandOptions
