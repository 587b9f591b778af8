/** `GET /health`: is the process alive. `GET /ready`: may traffic come. */
import type { Subscriber } from '../bus/process-bus.ts'
import { checkHealth, getIdentity, type HealthCheck, httpRoutes } from '../channels.ts'
import { gather } from './gather.ts'

const text = { type: 'string' }
const schema = {
  response: { 200: { type: 'object', properties: { status: text, container: text, project: text } } },
}

export const healthRoutes = (): Subscriber => (bus) => {
  const askIdentity = bus.requester(getIdentity)
  const check = bus.publisher(checkHealth)

  const checks = async (id: string): Promise<HealthCheck[]> => {
    const { outputs, failures } = await gather(check, id)
    return [...outputs, ...failures.map(({ listener }): HealthCheck => ({ name: listener, status: 'fail' }))]
  }

  bus.subscribe(httpRoutes, async (app) => {
    const { container, project } = await askIdentity()
    const health = { status: 'healthy', container, project }
    app.get('/health', { schema, config: { open: true } }, async () => health)

    app.get('/ready', { config: { open: true } }, async (request, reply) => {
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
