/** `POST /-/reload`: reloads secrets, tokens and the certificate. Registered only if requests are authenticated. */
import { Exiting, messageOf } from '../../bus/errors.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { httpRoutes } from '../../channels.ts'
import { isAuthenticated } from '../guards/authentication.ts'
import { watched } from '../server/node/response.ts'
import { Problems } from '../server/problem.ts'
import { route } from './admin.openapi.ts'

const path = '/-/reload'

/** Some subscribers failed to reload. They keep their previous data, unless access to it was revoked. */
class ReloadFailed extends Error {
  readonly code = 'RELOAD_FAILED'
  readonly members: object

  constructor(members: { readonly failed: readonly object[]; readonly reloaded: readonly object[] }) {
    super('Some subscribers failed to reload')
    this.members = members
  }
}

export const adminRoutes = (): Subscriber => (bus) => {
  bus.subscribe(httpRoutes, async (app) => {
    if (!isAuthenticated(bus)) return
    // Encapsulated, because only this route ignores the content of the request body.
    await app.register(async (admin) => {
      admin.removeAllContentTypeParsers()
      admin.addContentTypeParser('*', { parseAs: 'buffer' }, async () => undefined)

      admin.post(path, route, async (request, reply) => {
        // A reload would wait for the stop, which waits for this request.
        if (bus.state !== 'STARTED' || bus.exiting) throw new Exiting()
        reply.header('cache-control', 'no-store')
        const outcomes = await bus.gracefulSettled()
        // Empty if the process began to exit while this reload was queued.
        if (outcomes.length === 0) throw new Exiting()
        const reloaded = outcomes
          .filter((outcome) => outcome.status === 'fulfilled')
          .map(({ handler, value }) => ({ listener: handler, result: publishable(value) }))
        const failures = outcomes.filter((outcome) => outcome.status === 'rejected')
        if (failures.length === 0) return { reloaded }
        // Each failure was logged where it occurred, but without this request's id.
        const reasons = failures.map(({ handler, reason }) => `${handler}: ${messageOf(reason)}`)
        const { id: reqId, method } = request
        bus.log('error', `Failed to reload: ${reasons.join('; ')}`, { reqId, method, route: path, status: 500 })
        watched(reply).isReported = true
        const problems = Problems.of(app)
        const failed = failures.map(({ handler, reason }) => ({
          listener: handler,
          detail: problems.problemOf(reason, request.id).detail,
        }))
        return problems.reply(new ReloadFailed({ failed, reloaded }), request, reply)
      })
    })
  })
}

/** Leaves out a value of a plugin that cannot be converted to JSON, because the reload has succeeded. */
function publishable(result: unknown): unknown {
  try {
    const text: string | undefined = JSON.stringify(result)
    return text && JSON.parse(text)
  } catch {
    return undefined
  }
}
