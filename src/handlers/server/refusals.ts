/** Distinguishes calls on the bus that were refused from those that failed, for the observers of the bus. */
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import { httpRoutes } from '../../channels.ts'
import { Problems } from './problem.ts'

/**
 * Returns a function that reports whether an error is the client's fault. Until the server starts, the problem types
 * that subscribers declare are unknown.
 */
export function refusals(bus: ProcessBus): (error: unknown) => boolean {
  let problems = new Problems(bus.service)
  bus.subscribe(httpRoutes, (app) => {
    problems = Problems.of(app)
  })
  return (error) => problems.isRefusal(error)
}
