import { describe, expect, onTestFinished, test } from 'vitest'
import { event } from '../../../src/bus/channel.ts'
import { checkToken } from '../../../src/channels.ts'
import { authentication } from '../../../src/handlers/guards/authentication.ts'
import { inspector } from '../../../src/handlers/inspector/inspector.ts'
import { accepts, ask, RawConnection, startHttp } from '../../support/http/http.ts'
import { assembled } from '../../support/service/assembled.ts'
import { readyService } from '../../support/service/ready-service.ts'

const rang = event<number>('rang')

const inspected = (flags: Readonly<Record<string, string>> = {}) => readyService({ inspector: 'true', ...flags })

interface News {
  readonly state?: string
  readonly topology?: readonly { readonly channel: string }[]
  readonly channels: readonly { readonly channel: string; readonly count: number; readonly failed: number }[]
  readonly messages: readonly Record<string, unknown>[]
  readonly missed: number
}

/** Listens as a page does. */
async function listen(origin: string) {
  const leaving = new AbortController()
  onTestFinished(() => leaving.abort())
  const reply = await fetch(`${origin}/-/bus/events`, { signal: leaving.signal })
  const reader = reply.body?.pipeThrough(new TextDecoderStream()).getReader()
  let received = ''
  const next = async (): Promise<News | undefined> => {
    while (!received.includes('\n\n')) {
      const { value, done = true } = (await reader?.read()) ?? {}
      if (done) return undefined
      received += value
    }
    const [frame = '', ...rest] = received.split('\n\n')
    received = rest.join('\n\n')
    return frame.startsWith('data: ') ? JSON.parse(frame.slice(6)) : next()
  }
  const until = async (isIt: (message: Record<string, unknown>) => boolean) => {
    for (let news = await next(); news; news = await next()) {
      const message = news.messages.find(isIt)
      if (message) return { message, news }
    }
    throw new Error('the events ended before')
  }
  return { reply, next, until, leave: () => leaving.abort() }
}

describe('the events of the inspector', () => {
  test('begin with the state, the wiring and what has passed before', async () => {
    const { origin, bus } = await inspected()

    const { reply, next } = await listen(origin)
    const news = await next()

    expect(Object.fromEntries(reply.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    expect(news?.state).toBe('STARTED')
    expect(news?.topology).toEqual(JSON.parse(JSON.stringify(bus.topology())))
    expect(news?.channels).toContainEqual(expect.objectContaining({ channel: 'secret.fetch', count: 1, failed: 0 }))
    expect(news?.messages).toContainEqual(
      expect.objectContaining({ channel: 'secret.fetch', by: 'dynamodb', outcome: 'ok', ms: expect.any(Number) }),
    )
  })

  test('tell of each call as it passes, and nothing of what it carried', async () => {
    const { origin } = await inspected()
    const { next, until } = await listen(origin)
    await next()

    await ask(`${origin}/secret`, { headers: { 'x-request-id': 'one' } })
    const { message, news } = await until(({ id }) => id === 'one')
    await ask(`${origin}/secret/classified`, { headers: { 'x-request-id': 'two' } })
    const { message: failed, news: later } = await until(({ id }) => id === 'two')

    expect(message).toMatchObject({ channel: 'secret.get', by: 'secret-cache', outcome: 'ok' })
    expect(news).not.toHaveProperty('topology')
    expect(failed).toMatchObject({ channel: 'secret.get', outcome: 'error', error: 'SECRET_NOT_FOUND' })
    expect(later.channels).toContainEqual(expect.objectContaining({ channel: 'secret.get', count: 2, failed: 1 }))
    expect(JSON.stringify([news, later])).not.toMatch(/classified|the secret of|thedoctor/)
  })

  test('leave out the oldest of what comes at once, and say how many', async () => {
    const { origin, bus } = await startHttp({ inspector: inspector() })
    const { next } = await listen(origin)
    await next()

    bus.subscribe(rang, () => {}, { name: 'ear' })
    await next()
    for (let times = 0; times < 250; times += 1) await bus.publish(rang, times)
    const news = await next()

    expect(news?.messages).toHaveLength(200)
    expect(news?.missed).toBe(50)
    expect(news?.channels).toContainEqual(expect.objectContaining({ channel: 'rang', count: 250 }))
  })

  test('tell what an error is, and not what it says', async () => {
    const { origin, bus } = await startHttp({ inspector: inspector() })
    const { until } = await listen(origin)
    bus.subscribe(rang, () => Promise.reject(new TypeError('classified')), { name: 'ear' })

    await bus.publish(rang, 1).catch(() => {})
    const { message, news } = await until(({ by }) => by === 'ear')

    expect(message).toMatchObject({ outcome: 'error', error: 'TypeError' })
    expect(JSON.stringify(news)).not.toContain('classified')
  })

  test('are for a hundred at a time', async () => {
    const { origin } = await startHttp({ inspector: inspector() })
    const pages = await Promise.all(Array.from({ length: 100 }, () => listen(origin)))

    const { status, headers } = await ask(`${origin}/-/bus/events`)
    pages[0]?.leave()

    expect(status).toBe(503)
    expect(headers).toHaveProperty('retry-after')
    await expect.poll(async () => (await listen(origin)).reply.status).toBe(200)
  })

  test('end when the process stops, which does not wait for them', async () => {
    const { origin, bus } = await startHttp({ inspector: inspector() })
    const { next } = await listen(origin)
    await next()

    const code = await bus.exit()

    expect(code).toBe(0)
    for (let news = await next(); news; news = await next()) expect(news.state).toBe('STOPPING')
  })

  test('do not hold up the stop for a page that reads nothing', async () => {
    const { port, bus, messages } = await startHttp({ inspector: inspector() }, { shutdownTimeout: 5_000 })
    // Twelve megabytes to begin with, more than the sockets take between them.
    bus.subscribe(rang, () => {}, { name: 'ear'.repeat(20_000) })
    for (let times = 0; times < 200; times += 1) await bus.publish(rang, times)
    const page = await RawConnection.open(port)
    page.socket.pause()
    page.send('GET /-/bus/events HTTP/1.1', 'host: x')
    await expect.poll(() => page.socket.bytesRead).toBeGreaterThan(0)

    expect(await bus.exit()).toBe(0)
    expect(messages('error')).toEqual([])
  })

  test('are refused to who is let in when the server closes already', async () => {
    const { promise: letIn, resolve } = Promise.withResolvers<boolean>()
    const { promise: asked, resolve: isAsked } = Promise.withResolvers<void>()
    const { origin, port, bus } = await startHttp(
      {
        tokens: (bus) =>
          bus.provide(checkToken, () => {
            isAsked()
            return letIn
          }),
        authentication: authentication(),
        inspector: inspector(),
      },
      { shutdownTimeout: 5_000 },
    )
    const reply = ask(`${origin}/-/bus/events`, { headers: { authorization: 'Bearer x' } })
    await asked

    const exit = bus.exit()
    await expect.poll(() => accepts(port)).toBe(false)
    resolve(true)

    expect(await exit).toBe(0)
    expect((await reply).status).toBe(503)
  })
})

describe('the page of the inspector', () => {
  test('is not there unless it is asked for', async () => {
    const { bus, origin } = await assembled({ embedded: 'true' })
    await bus.start()

    expect((await ask(`${origin()}/-/bus`)).status).toBe(404)
    expect((await ask(`${origin()}/-/bus/events`)).status).toBe(404)
  })

  test.for(['/-/bus', '/-/bus/inspector.js', '/-/bus/events'])('is behind the token: %s', async (path) => {
    const service = await assembled({ embedded: 'true', inspector: 'true' }, { SECRET_BUS_AUTH_TOKEN: 'known' })
    await service.bus.start()
    const statusWith = async (authorization: string) => {
      const reply = await fetch(service.origin() + path, { headers: { authorization } })
      await reply.body?.cancel()
      return reply.status
    }

    expect(await statusWith('Bearer unknown')).toBe(401)
    expect(await statusWith(`Basic ${btoa('any:unknown')}`)).toBe(401)
    expect(await statusWith('Bearer known')).toBe(200)
    expect(await statusWith(`Basic ${btoa('any:known')}`)).toBe(200)
  })

  test('may load nothing from elsewhere', async () => {
    const { origin } = await startHttp({ inspector: inspector() })

    const { headers, body } = await ask(`${origin}/-/bus`)

    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': [
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'",
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      ].join('; '),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
      vary: 'accept-encoding',
    })
    expect(body).not.toMatch(/https?:|<style|style=|onclick/)
  })
})
