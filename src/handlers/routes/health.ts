/** `GET /health`: liveness. `GET /ready`: readiness, which is a metric as well. */
import type { FastifyRequest } from 'fastify'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { checkHealth, collectMetrics, getIdentity, type HealthCheck, httpRoutes } from '../../channels.ts'
import { healthMetrics } from '../metrics/health-metrics.ts'
import { watched } from '../server/node/response.ts'
import { liveRoute, readyRoute } from './health.openapi.ts'
import { readAnswer, worstStatus } from './health-answer.ts'

/** Time limit of each health check in milliseconds. */
export const healthTimeout = 1_000

export const healthRoutes = (): Subscriber => (bus) => {
  const requestIdentity = bus.requester(getIdentity)
  // Only declares that this subscriber publishes on the channel, because `publishSettled` does not declare it.
  bus.publisher(checkHealth)

  // Logged once per subscriber, until it changes: readiness is checked every few seconds.
  const complaints = new Map<string, string | undefined>()

  const read = (by: string, answer: unknown, reqId: string | undefined): HealthCheck => {
    const { check, complaint } = readAnswer(by, answer)
    if (complaint !== undefined && complaint !== complaints.get(by)) bus.log('error', `${complaint} (${by})`, { reqId })
    complaints.set(by, complaint)
    return check
  }

  const checks = async (id: string | undefined): Promise<HealthCheck[]> => {
    const outcomes = await bus.publishSettled(checkHealth, undefined, { id, deadline: Date.now() + healthTimeout })
    return outcomes.flatMap((outcome): HealthCheck[] => {
      // The bus has logged the failure.
      if (outcome.status === 'rejected') return [readAnswer(outcome.handler, { status: 'fail' }).check]
      const answer: unknown = outcome.value
      return answer === undefined ? [] : [read(outcome.handler, answer, id)] // a plugin's check may return nothing
    })
  }

  bus.subscribe(collectMetrics, async (_, { id }) => healthMetrics(bus.service, await checks(id)))

  let [failing, wasReady] = ['', false]

  /** Logs changes only, because probes request readiness every few seconds. */
  const reportReadiness = (answers: readonly HealthCheck[], { id: reqId, method }: FastifyRequest) => {
    const names = answers.filter(({ status }) => status === 'fail').map(({ name }) => name)
    const now = [...new Set(names)].join(', ')
    if (!now) wasReady = true
    if (now === failing) return
    failing = now
    // A start and a drain are no faults.
    const level = wasReady && !bus.exiting ? 'warn' : 'info'
    const fields = { reqId, method, route: '/ready' }
    if (now) bus.log(level, `Not ready: ${now}`, { ...fields, status: 503 })
    else bus.log('info', 'Ready again', { ...fields, status: 200 })
  }

  bus.subscribe(httpRoutes, async (app) => {
    const { container, project } = await requestIdentity()
    const health = JSON.stringify({ status: 'healthy', container, project })
    app.get('/health', liveRoute(bus.service), (_request, reply) => {
      reply.type('application/json; charset=utf-8').send(health)
    })

    app.get('/ready', readyRoute, async (request, reply) => {
      const answers = await checks(request.id)
      const document = readiness(answers)
      reportReadiness(answers, request)
      watched(reply).isReported = true
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
  const entries = new Map<string, Omit<HealthCheck, 'name'>[]>()
  for (const { name, ...entry } of checks) entries.set(name, [...(entries.get(name) ?? []), entry])
  return { status: worstStatus(checks), checks: Object.fromEntries(entries) }
}
