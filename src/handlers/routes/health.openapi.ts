/** The OpenAPI description of the health routes. */
import type { RouteShorthandOptions } from 'fastify'
import type { DocumentedReply } from '../openapi/route-documentation.ts'

const text = { type: 'string' }
const liveness = { type: 'object', properties: { status: text, container: text, project: text } }

export const liveRoute = {
  schema: {
    operationId: 'getHealth',
    summary: 'Is the process alive',
    description: 'Static: no request has the service ask anybody.',
    tags: ['Health'],
    response: { 200: liveness },
  },
  config: {
    open: true,
    documentation: {
      replies: [
        {
          status: 200,
          description: 'It is.',
          mediaType: 'application/json',
          schema: { ...liveness, required: ['status', 'container', 'project'] },
          examples: {
            healthy: {
              summary: 'Healthy',
              value: {
                status: 'healthy',
                container: 'https://hub.docker.com/r/secretbus/secret-bus',
                project: 'https://github.com/secret-bus/secret-bus',
              },
            },
          },
          headers: [],
        },
      ],
    },
  },
} satisfies RouteShorthandOptions

const status = { type: 'string', enum: ['pass', 'warn', 'fail'] }
const check = { type: 'object', required: ['status'], properties: { status, output: text } }

const readyReply = {
  mediaType: 'application/health+json',
  schema: {
    type: 'object',
    required: ['status', 'checks'],
    properties: { status, checks: { type: 'object', additionalProperties: { type: 'array', items: check } } },
  },
  headers: ['Cache-Control'],
} satisfies Partial<DocumentedReply>

const pass = { status: 'pass' }

export const readyRoute = {
  schema: {
    operationId: 'getReadiness',
    summary: 'May traffic come',
    description: 'An entry for each that was looked at. It never fails for an outage once every secret has been read.',
    tags: ['Health'],
  },
  config: {
    open: true,
    documentation: {
      replies: [
        {
          ...readyReply,
          status: 200,
          description: 'It may. `warn` is worth a look: a secret is stale or missing.',
          examples: {
            ready: {
              summary: 'Ready',
              value: { status: 'pass', checks: { 'secret-cache': [pass], 'http-server': [pass] } },
            },
            stale: {
              summary: 'Ready, with an old secret',
              value: {
                status: 'warn',
                checks: {
                  'secret-cache': [{ status: 'warn', output: '1 of 1 secrets stale or missing' }],
                  'http-server': [pass],
                },
              },
            },
          },
        },
        {
          ...readyReply,
          status: 503,
          description: 'It may not: a secret has never been read yet, or the process is about to stop.',
          examples: {
            starting: {
              summary: 'Not yet',
              value: {
                status: 'fail',
                checks: {
                  'secret-cache': [{ status: 'fail', output: '1 of 1 secrets not loaded yet' }],
                  'http-server': [pass],
                },
              },
            },
            draining: {
              summary: 'No longer',
              value: {
                status: 'fail',
                checks: { 'secret-cache': [pass], 'http-server': [{ status: 'fail', output: 'draining' }] },
              },
            },
          },
        },
      ],
    },
  },
} satisfies RouteShorthandOptions
