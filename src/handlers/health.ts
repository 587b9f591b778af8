/** `GET /health`: is the process alive. `GET /ready`: may traffic come. */
import type { RouteShorthandOptions } from 'fastify'
import type { Subscriber } from '../bus/process-bus.ts'
import { checkHealth, getIdentity, type HealthCheck, httpRoutes } from '../channels.ts'
import { gather } from './gather.ts'
import type { DocumentedReply } from './route-documentation.ts'

export const healthRoutes = (): Subscriber => (bus) => {
  const askIdentity = bus.requester(getIdentity)
  const check = bus.publisher(checkHealth)

  const checks = async (id: string): Promise<HealthCheck[]> => {
    const { outputs, failures } = await gather(check, id)
    return [...outputs, ...failures.map(({ listener }): HealthCheck => ({ name: listener, status: 'fail' }))]
  }

  bus.subscribe(httpRoutes, async (app) => {
    const { container, project } = await askIdentity()
    const health = JSON.stringify({ status: 'healthy', container, project })
    app.get('/health', liveRoute, (_request, reply) => {
      reply.type('application/json; charset=utf-8').send(health)
    })

    app.get('/ready', readyRoute, async (request, reply) => {
      const document = readiness((await checks(request.id)).filter(Boolean)) // a plug-in may say nothing
      return reply
        .code(document.status === 'fail' ? 503 : 200)
        .header('cache-control', 'no-store')
        .type('application/health+json')
        .send(document)
    })
  })
}

/** https://datatracker.ietf.org/doc/html/draft-inadarei-api-health-check-06 */
function readiness(checks: HealthCheck[]) {
  const worst = (['fail', 'warn'] as const).find((status) => checks.some((check) => check.status === status))
  const entries = new Map<string, Omit<HealthCheck, 'name'>[]>()
  for (const { name, ...entry } of checks) entries.set(name, [...(entries.get(name) ?? []), entry])
  return { status: worst ?? 'pass', checks: Object.fromEntries(entries) }
}

const text = { type: 'string' }
const liveness = { type: 'object', properties: { status: text, container: text, project: text } }

const liveRoute = {
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

const readyRoute = {
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
