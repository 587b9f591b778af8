/** The OpenAPI description of the health routes. */
import type { RouteShorthandOptions } from 'fastify'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import type { DocumentedReply } from '../openapi/route-documentation.ts'

const text = { type: 'string' }
const liveness = { type: 'object', properties: { status: text, container: text, project: text } }

export const liveRoute = ({ container, homepage }: Pick<ServiceInfo, 'container' | 'homepage'>) =>
  ({
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
            schema: { ...liveness, required: ['status'] },
            examples: {
              healthy: {
                summary: 'Healthy',
                value: {
                  status: 'healthy',
                  container: container ?? 'https://example.com/image',
                  project: homepage ?? 'https://example.com/project',
                },
              },
            },
            headers: [],
          },
        ],
      },
    },
  }) satisfies RouteShorthandOptions

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
    description: 'Returns one entry per check. `warn` means degraded, but ready for traffic.',
    tags: ['Health'],
  },
  config: {
    open: true,
    documentation: {
      replies: [
        {
          ...readyReply,
          status: 200,
          description: 'Ready for traffic. The status is `warn` if a check is degraded.',
          examples: {
            ready: {
              summary: 'Ready',
              value: { status: 'pass', checks: { source: [pass], 'http-server': [pass] } },
            },
            stale: {
              summary: 'Ready, with stale data',
              value: {
                status: 'warn',
                checks: {
                  source: [{ status: 'warn', output: 'serving stale data' }],
                  'http-server': [pass],
                },
              },
            },
          },
        },
        {
          ...readyReply,
          status: 503,
          description: 'Not ready: a check fails, or the service is starting or shutting down.',
          examples: {
            starting: {
              summary: 'Starting',
              value: {
                status: 'fail',
                checks: {
                  source: [{ status: 'fail', output: 'not loaded yet' }],
                  'http-server': [pass],
                },
              },
            },
            draining: {
              summary: 'Draining',
              value: {
                status: 'fail',
                checks: { source: [pass], 'http-server': [{ status: 'fail', output: 'draining' }] },
              },
            },
          },
        },
      ],
    },
  },
} satisfies RouteShorthandOptions
