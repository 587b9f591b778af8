/** The OpenAPI description of the administration routes. */
import type { RouteShorthandOptions } from 'fastify'
import { RequestError } from '../server/problem.ts'

const listener = { type: 'string', description: 'The name of a part of the service.' }
const listOf = (properties: object) => ({
  type: 'array',
  items: { type: 'object', required: ['listener'], properties: { listener, ...properties } },
})
const reloaded = listOf({ result: { description: 'What it says of what it has reloaded.' } })
const failed = listOf({ detail: { type: 'string' } })

const others = [{ listener: 'tokens', result: { tokens: 1 } }, { listener: 'http-server' }]

export const route = {
  schema: {
    operationId: 'reload',
    summary: 'Reload secrets, tokens and the certificate',
    description: 'As SIGHUP does. Connections stay open. There is no such operation where no token protects it.',
    tags: ['Operation'],
  },
  config: {
    documentation: {
      replies: [
        {
          status: 200,
          description: 'Everybody has reloaded, and what each of them said.',
          mediaType: 'application/json',
          schema: { type: 'object', required: ['reloaded'], properties: { reloaded } },
          examples: {
            reloaded: {
              summary: 'Reloaded',
              value: { reloaded: [{ listener: 'secret-cache', result: { reloaded: ['thedoctor'] } }, ...others] },
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
            failed: [{ listener: 'secret-cache', detail: 'The source cannot be reached.' }],
            reloaded: others,
          },
        },
        'BUS_EXITING',
        new RequestError(415, 'Unsupported Media Type'),
      ],
    },
  },
} satisfies RouteShorthandOptions
