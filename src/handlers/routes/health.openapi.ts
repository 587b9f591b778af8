/** The OpenAPI description of the health routes. */
import type { RouteShorthandOptions } from 'fastify'
import type { DocumentedReply } from '../openapi/route-documentation.ts'

const text = { type: 'string' }
const liveness = { type: 'object', properties: { status: text, container: text, project: text } }

export const liveRoute = {
  schema: {
    operationId: 'getHealth',
    summary: 'Check liveness',
    description: 'Liveness check. Static; makes no downstream calls.',
    tags: ['Health'],
    response: { 200: liveness },
  },
  config: {
    open: true,
    documentation: {
      replies: [
        {
          status: 200,
          description: 'The process is alive.',
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
    summary: 'Check readiness',
    description:
      'Returns one entry per check. Once all secrets are loaded, an outage of the source cannot cause `fail`.',
    tags: ['Health'],
  },
  config: {
    open: true,
    documentation: {
      replies: [
        {
          ...readyReply,
          status: 200,
          description: 'Ready for traffic. The status is `warn` if a secret is stale or missing.',
          examples: {
            ready: {
              summary: 'Ready',
              value: { status: 'pass', checks: { 'secret-cache': [pass], 'http-server': [pass] } },
            },
            stale: {
              summary: 'Ready, with a stale secret',
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
          description: 'Not ready: a secret has not been loaded yet, or the service is shutting down.',
          examples: {
            starting: {
              summary: 'Starting',
              value: {
                status: 'fail',
                checks: {
                  'secret-cache': [{ status: 'fail', output: '1 of 1 secrets not loaded yet' }],
                  'http-server': [pass],
                },
              },
            },
            draining: {
              summary: 'Draining',
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
