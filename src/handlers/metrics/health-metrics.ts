/** Metrics of readiness and of the health checks. */
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import type { HealthCheck, Metric } from '../../channels.ts'
import { healthStatuses, worstStatus } from '../routes/health-answer.ts'

/** Checks with the same name share their series, with the worst status. Lone surrogates would be replaced later. */
export function healthMetrics(
  { metricPrefix }: Pick<ServiceInfo, 'metricPrefix'>,
  checks: readonly HealthCheck[],
): Metric[] {
  const byName = Map.groupBy(checks, ({ name }) => name.toWellFormed())
  return [
    {
      name: `${metricPrefix}ready`,
      help: 'Readiness: 1 if no health check fails, as in GET /ready, otherwise 0.',
      type: 'gauge',
      values: [{ value: worstStatus(checks) === 'fail' ? 0 : 1 }],
    },
    {
      name: `${metricPrefix}health`,
      help: 'Health checks by status (pass, warn or fail): 1 for the current status, 0 for all others.',
      type: 'gauge',
      values: Array.from(byName).flatMap(([check, some]) => {
        const current = worstStatus(some)
        return healthStatuses.map((status) => ({ labels: { check, status }, value: status === current ? 1 : 0 }))
      }),
    },
  ]
}
