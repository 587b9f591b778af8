/** Errors while a reply is sent, which the problem document of the first error cannot pass on. */
import { describe, expect, test, vi } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../src/channels.ts'
import { fetchReply, parseProblem, startHttp } from '../../support/http/http.ts'

const classified = new Error('classified: arn:aws:dynamodb')

/** Every reply fails, in the hook of one route, of a plugin's scope, or of all routes. */
const failing =
  (scope: 'route' | 'plugin' | 'all'): Subscriber =>
  (bus) =>
    bus.subscribe(httpRoutes, async (app) => {
      const onSend = async () => {
        throw classified
      }
      if (scope === 'all') app.addHook('onSend', onSend)
      app.get('/sent', scope === 'route' ? { onSend } : {}, async () => ({}))
      await app.register(async (child) => {
        if (scope === 'plugin') child.addHook('onSend', onSend)
        child.setErrorHandler((error) => {
          throw error
        })
        child.get('/child', scope === 'route' ? { onSend } : {}, async () => ({}))
      })
    })

describe('a reply that fails in an onSend hook', () => {
  test.each<['route' | 'plugin' | 'all', string]>([
    ['route', '/sent'],
    ['route', '/child'],
    ['plugin', '/child'],
    ['all', '/sent'],
    ['all', '/child'],
    ['all', '/none'],
  ])('of one %s is a problem without its message, and is logged (%s)', async (scope, path) => {
    const { origin, messages } = await startHttp({ routes: failing(scope) })

    const reply = await fetchReply(`${origin}${path}`)

    expect(parseProblem(reply)).toMatchObject({ status: 500, detail: 'The service failed to handle the request.' })
    expect(reply.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
    expect(reply.body).not.toContain('classified')
    expect(messages('error')).toContain('Failed to handle GET: classified: arn:aws:dynamodb')
  })

  test('does not cause a warning of Fastify', async () => {
    const warn = vi.spyOn(process, 'emitWarning')

    await startHttp({ routes: failing('route') })

    expect(warn).not.toHaveBeenCalled()
  })
})
