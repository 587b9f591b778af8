/** Checks the rights that routes need. */
import type { FastifyInstance } from 'fastify'
import type { Right } from '../../client.ts'
import { InvalidRight } from '../../rights.ts'

/** Fails the start for each route, added from now on, that needs a right that is not among these, or is open as well. */
export function checkRights(app: FastifyInstance, rights: ReadonlySet<Right>): void {
  app.addHook('onRoute', ({ url, config }) => {
    const { needs, open = false } = config ?? {}
    if (needs === undefined) return
    if (open) throw new InvalidRight(`The route ${url} must not be open, because it needs the right ${needs}`)
    if (!rights.has(needs))
      throw new InvalidRight(
        `The route ${url} needs the right ${needs}, which no subscriber declares on rights.declare`,
      )
  })
}
