/** `POST /-/reload`: everybody reloads what they hold. There is no such route where no token protects it. */
import type { RouteShorthandOptions } from 'fastify'
import { ChannelFailures, Exiting, messageOf } from '../bus/errors.ts'
import { lifecycle } from '../bus/lifecycle.ts'
import type { ProcessBus, Subscriber } from '../bus/process-bus.ts'
import { httpRoutes } from '../channels.ts'
import { FaultyRequest, problemOf, replyWithProblem } from './problem.ts'

/** Not everybody could. What could not be read anew is kept, unless its source has withdrawn it. */
class ReloadFailed extends Error {
  readonly code = 'RELOAD_FAILED'
}

export const adminRoutes = (): Subscriber => (bus) => {
  bus.subscribe(httpRoutes, async (app) => {
    // By itself, for whatever is in the body does not matter here alone.
    await app.register(async (admin) => {
      admin.removeAllContentTypeParsers()
      admin.addContentTypeParser('*', { parseAs: 'buffer' }, async () => undefined)

      admin.post('/-/reload', route, async (request, reply) => {
        // It would wait for the stop, and the stop for this request.
        if (bus.state !== 'STARTED' || bus.exiting) throw new Exiting()
        reply.header('cache-control', 'no-store')
        try {
          const answers = await bus.graceful()
          // Nobody was asked: while this waited for another reload, the process was told to exit.
          if (answers.length === 0) throw new Exiting()
          return { reloaded: said(bus, answers, []) }
        } catch (error) {
          if (!(error instanceof ChannelFailures)) throw error
          // Each failure was logged where it happened, but there nobody knows of this request.
          bus.log('error', messageOf(error), { reqId: request.id })
          return replyWithProblem(new ReloadFailed(), request, reply, whatFailed(bus, error, request.id))
        }
      })
    })
  })
}

function whatFailed(bus: ProcessBus, { failures, outputs }: ChannelFailures, id: string) {
  const failed = failures.map(({ listener, error }) => ({ listener, detail: problemOf(error, id).detail }))
  const names = failures.map(({ listener }) => listener)
  return { failed, reloaded: said(bus, outputs, names) }
}

/** What each listener answered, by its name: the answers are in the order in which the listeners are called. */
function said(bus: ProcessBus, outputs: readonly unknown[], failed: readonly string[]) {
  const { heardBy = [] } = bus.topology().find(({ channel }) => channel === lifecycle.graceful.name) ?? {}
  const listeners = heardBy.map(({ name }) => name)
  // A subscriber may listen twice, and fail once.
  for (const name of failed) listeners.splice(listeners.indexOf(name), 1)
  return outputs.map((answer, index) => ({ listener: listeners[index], said: answer }))
}

const listener = { type: 'string', description: 'The name of a part of the service.' }
const listOf = (properties: object) => ({
  type: 'array',
  items: { type: 'object', required: ['listener'], properties: { listener, ...properties } },
})
const reloaded = listOf({ said: { description: 'What it says of what it has reloaded.' } })
const failed = listOf({ detail: { type: 'string' } })

const others = [{ listener: 'tokens', said: { tokens: 1 } }, { listener: 'http-server' }]

const route = {
  schema: {
    operationId: 'reload',
    summary: 'Reload secrets, tokens and the certificate',
    description: 'As SIGHUP does. Connections stay open. There is no such operation where no token protects it.',
    tags: ['Operation'],
  },
  config: {
    documentation: {
      replies: [
        {
          status: 200,
          description: 'Everybody has reloaded, and what each of them said.',
          mediaType: 'application/json',
          schema: { type: 'object', required: ['reloaded'], properties: { reloaded } },
          examples: {
            reloaded: {
              summary: 'Reloaded',
              value: { reloaded: [{ listener: 'secret-cache', said: { reloaded: ['thedoctor'] } }, ...others] },
            },
          },
          headers: ['Cache-Control'],
        },
      ],
      problems: [
        {
          code: 'RELOAD_FAILED',
          members: { failed, reloaded },
          example: {
            failed: [{ listener: 'secret-cache', detail: 'The source cannot be reached.' }],
            reloaded: others,
          },
        },
        'BUS_EXITING',
        new FaultyRequest(415, 'Unsupported Media Type'),
      ],
    },
  },
} satisfies RouteShorthandOptions
