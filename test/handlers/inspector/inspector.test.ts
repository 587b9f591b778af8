import { describe, expect, onTestFinished, test } from 'vitest'
import { event } from '../../../src/bus/channel.ts'
import { identifyClient } from '../../../src/channels.ts'
import type { Client } from '../../../src/client.ts'
import { authentication } from '../../../src/handlers/guards/authentication.ts'
import { inspector } from '../../../src/handlers/inspector/inspector.ts'
import { acceptsConnections, fetchReply, RawConnection, startHttp } from '../../support/http/http.ts'
import { assembleService } from '../../support/service/assemble-service.ts'
import { startReadyService } from '../../support/service/ready-service.ts'

const rang = event<number>('rang')

const inspected = (flags: Readonly<Record<string, string>> = {}) => startReadyService({ inspector: 'true', ...flags })

interface Update {
  readonly state?: string
  readonly topology?: readonly { readonly channel: string }[]
  readonly channels: readonly { readonly channel: string; readonly count: number; readonly failed: number }[]
  readonly messages: readonly Record<string, unknown>[]
  readonly missed: number
}

/** Reads the event stream as the page does. */
async function listen(origin: string) {
  const controller = new AbortController()
  onTestFinished(() => controller.abort())
  const reply = await fetch(`${origin}/-/bus/events`, { signal: controller.signal })
  const reader = reply.body?.pipeThrough(new TextDecoderStream()).getReader()
  let received = ''
  const next = async (): Promise<Update | undefined> => {
    while (!received.includes('\n\n')) {
      const { value, done = true } = (await reader?.read()) ?? {}
      if (done) return undefined
      received += value
    }
    const [frame = '', ...rest] = received.split('\n\n')
    received = rest.join('\n\n')
    return frame.startsWith('data: ') ? JSON.parse(frame.slice(6)) : next()
  }
  const until = async (matches: (message: Record<string, unknown>) => boolean) => {
    for (let update = await next(); update; update = await next()) {
      const message = update.messages.find(matches)
      if (message) return { message, update }
    }
    throw new Error('The event stream ended early')
  }
  return { reply, next, until, leave: () => controller.abort() }
}

describe('the events of the inspector', () => {
  test('start with the state, the topology and the calls so far', async () => {
    const { origin, bus } = await inspected()

    const { reply, next } = await listen(origin)
    const update = await next()

    expect(Object.fromEntries(reply.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    expect(update?.state).toBe('STARTED')
    expect(update?.topology).toEqual(JSON.parse(JSON.stringify(bus.topology())))
    expect(update?.channels).toContainEqual(expect.objectContaining({ channel: 'secret.fetch', count: 1, failed: 0 }))
    expect(update?.messages).toContainEqual(
      expect.objectContaining({ channel: 'secret.fetch', by: 'dynamodb', outcome: 'ok', ms: expect.any(Number) }),
    )
  })

  test('report each call without its payload or reply', async () => {
    const { origin } = await inspected()
    const { next, until } = await listen(origin)
    await next()

    await fetchReply(`${origin}/secret`, { headers: { 'x-request-id': 'one' } })
    const { message, update } = await until(({ id }) => id === 'one')
    await fetchReply(`${origin}/secret/classified`, { headers: { 'x-request-id': 'two' } })
    const { message: failed, update: later } = await until(({ id }) => id === 'two')

    expect(message).toMatchObject({ channel: 'secret.get', by: 'secret-cache', outcome: 'ok' })
    expect(update).not.toHaveProperty('topology')
    expect(failed).toMatchObject({ channel: 'secret.get', outcome: 'refused', error: 'SECRET_NOT_FOUND' })
    expect(later.channels).toContainEqual(expect.objectContaining({ channel: 'secret.get', count: 2, failed: 0 }))
    expect(JSON.stringify([update, later])).not.toMatch(/classified|the secret of|thedoctor/)
  })

  test('leave out the oldest messages of a burst and report how many', async () => {
    const { origin, bus } = await startHttp({ inspector: inspector() })
    const { next } = await listen(origin)
    await next()

    bus.subscribe(rang, () => {}, { name: 'listener' })
    await next()
    for (let times = 0; times < 250; times += 1) await bus.publish(rang, times)
    const update = await next()

    expect(update?.messages).toHaveLength(200)
    expect(update?.missed).toBe(50)
    expect(update?.channels).toContainEqual(expect.objectContaining({ channel: 'rang', count: 250 }))
  })

  test('report the name of an error but not its message', async () => {
    const { origin, bus } = await startHttp({ inspector: inspector() })
    const { until } = await listen(origin)
    bus.subscribe(rang, () => Promise.reject(new TypeError('classified')), { name: 'listener' })

    await bus.publish(rang, 1).catch(() => {})
    const { message, update } = await until(({ by }) => by === 'listener')

    expect(message).toMatchObject({ outcome: 'error', error: 'TypeError' })
    expect(JSON.stringify(update)).not.toContain('classified')
  })

  test('are limited to 100 clients', async () => {
    const { origin } = await startHttp({ inspector: inspector() })
    const pages = await Promise.all(Array.from({ length: 100 }, () => listen(origin)))

    const { status, headers } = await fetchReply(`${origin}/-/bus/events`)
    pages[0]?.leave()

    expect(status).toBe(503)
    expect(headers).toHaveProperty('retry-after')
    await expect.poll(async () => (await listen(origin)).reply.status).toBe(200)
  })

  test('end when the process stops', async () => {
    const { origin, bus } = await startHttp({ inspector: inspector() })
    const { next } = await listen(origin)
    await next()

    const code = await bus.exit()

    expect(code).toBe(0)
    for (let update = await next(); update; update = await next()) expect(update.state).toBe('STOPPING')
  })

  test('do not delay the shutdown if a client does not read', async () => {
    const { port, bus, messages } = await startHttp({ inspector: inspector() }, { shutdownTimeout: 5_000 })
    // The first event has 12 MB, more than the socket buffers hold.
    bus.subscribe(rang, () => {}, { name: 'x'.repeat(60_000) })
    for (let times = 0; times < 200; times += 1) await bus.publish(rang, times)
    const page = await RawConnection.open(port)
    page.socket.pause()
    page.send('GET /-/bus/events HTTP/1.1', 'host: x')
    await expect.poll(() => page.socket.bytesRead).toBeGreaterThan(0)

    expect(await bus.exit()).toBe(0)
    expect(messages('error')).toEqual([])
  })

  test('are rejected if authentication finishes after the server has begun to close', async () => {
    const { promise: authenticated, resolve } = Promise.withResolvers<Client>()
    const { promise: requested, resolve: markRequested } = Promise.withResolvers<void>()
    const { origin, port, bus } = await startHttp(
      {
        clients: (bus) =>
          bus.provide(identifyClient, () => {
            markRequested()
            return authenticated
          }),
        authentication: authentication(),
        inspector: inspector(),
      },
      { shutdownTimeout: 5_000 },
    )
    const reply = fetchReply(`${origin}/-/bus/events`, { headers: { authorization: 'Bearer x' } })
    await requested

    const exit = bus.exit()
    await expect.poll(() => acceptsConnections(port)).toBe(false)
    resolve({ name: 'x', may: new Set(['inspector']), mayRead: () => false })

    expect(await exit).toBe(0)
    expect((await reply).status).toBe(503)
  })
})

describe('the page of the inspector', () => {
  test('does not exist unless enabled', async () => {
    const { bus, origin } = await assembleService({ embedded: 'true' })
    await bus.start()

    expect((await fetchReply(`${origin()}/-/bus`)).status).toBe(404)
    expect((await fetchReply(`${origin()}/-/bus/events`)).status).toBe(404)
  })

  test.for(['/-/bus', '/-/bus/inspector.js', '/-/bus/events'])('requires the token: %s', async (path) => {
    const service = await assembleService({ embedded: 'true', inspector: 'true' }, { SECRET_BUS_AUTH_TOKEN: 'known' })
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

  test('cannot load resources from other origins', async () => {
    const { origin } = await startHttp({ inspector: inspector() })

    const { headers, body } = await fetchReply(`${origin}/-/bus`)

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
