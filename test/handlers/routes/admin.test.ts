import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Listener } from '../../../src/bus/bus.ts'
import { lifecycle } from '../../../src/bus/process/lifecycle.ts'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { authentication } from '../../../src/handlers/guards/authentication.ts'
import { adminRoutes } from '../../../src/handlers/routes/admin.ts'
import { SourceFailure } from '../../../src/secret.ts'
import { clients } from '../../../src/sources/clients/clients.ts'
import { fetchReply, parseProblem, RawConnection, type RawReply, startHttp } from '../../support/http/http.ts'
import { assembleService } from '../../support/service/assemble-service.ts'

const token = 'classified-1'
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

const reloading =
  (reload: Listener<void, unknown>): Subscriber =>
  (bus) =>
    bus.subscribe(lifecycle.graceful, reload)

/** Starts the route with a token file, and with listeners that reload before the tokens. */
async function reloadable(
  listeners: Record<string, Listener<void, unknown>> = {},
  options: Parameters<typeof startHttp>[1] = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'tokens')
  const write = (text: string) => writeFile(file, text)
  await write(token)
  const others = Object.entries(listeners).map(([name, listener]) => [name, reloading(listener)] as const)
  const service = await startHttp(
    {
      ...Object.fromEntries(others),
      clients: clients({ authTokenFile: file }),
      authentication: authentication(),
      admin: adminRoutes(),
    },
    options,
  )
  const reload = ({ headers, ...init }: RequestInit & { headers?: Record<string, string> } = {}) =>
    fetchReply(`${service.origin}/-/reload`, { method: 'POST', ...init, headers: { ...bearer(token), ...headers } })
  return { ...service, file, write, reload }
}

/** Returns the additional members of the problem that reports a failed reload. */
function failureIn(reply: RawReply) {
  const { failed, reloaded, ...problem } = JSON.parse(reply.body)
  expect(parseProblem({ ...reply, body: JSON.stringify(problem) })).toMatchObject({
    status: 500,
    type: 'urn:secret-bus:problem:reload-failed',
  })
  return { failed, reloaded }
}

/** A listener that does not finish until it is released. */
function blockedListener() {
  const { promise, resolve: release } = Promise.withResolvers<void>()
  return { listener: vi.fn(() => promise), release }
}

describe('POST /-/reload', () => {
  test('names a subscriber that times out; the others reload, so a revoked token is rejected', async () => {
    const never = () => new Promise<never>(() => {})
    const { reload, write, messages } = await reloadable({ sloth: never, cache: () => 'done' }, { reloadTimeout: 500 })
    await write('classified-2')

    const { failed, reloaded } = failureIn(await reload())

    expect(failed).toEqual([{ listener: 'sloth', detail: 'A subscriber did not finish in time.' }])
    expect(reloaded).toEqual([
      { listener: 'cache', result: 'done' },
      { listener: 'clients', result: { clients: 1, tokens: 1 } },
      { listener: 'http-server' },
    ])
    expect(messages('error')).toContain(
      'sloth failed on lifecycle.graceful: sloth did not finish lifecycle.graceful within 500 ms',
    )
    expect((await reload()).status).toBe(401)
    expect(failureIn(await reload({ headers: bearer('classified-2') })).failed).toHaveLength(1)
  })

  test('reloads all subscribers and returns the result of each', async () => {
    const { reload } = await reloadable({
      async: async () => ({ count: 1 }),
      text: () => 'done',
      empty: () => undefined,
    })

    const { status, headers, body } = await reload()

    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': expect.stringMatching(/^application\/json/),
      'cache-control': 'no-store',
    })
    expect(JSON.parse(body)).toEqual({
      reloaded: [
        { listener: 'async', result: { count: 1 } },
        { listener: 'text', result: 'done' },
        { listener: 'empty' },
        { listener: 'clients', result: { clients: 1, tokens: 1 } },
        { listener: 'http-server' },
      ],
    })
  })

  test('supports token rotation: the old and the new token are both valid between two reloads', async () => {
    const { origin, write, reload } = await reloadable()
    const statuses = async () => {
      const replies = await Promise.all(
        [token, 'new'].map((token) => fetchReply(`${origin}/x`, { headers: bearer(token) })),
      )
      return replies.map(({ status }) => status)
    }
    expect(await statuses()).toEqual([404, 401])

    await write(`${token}\nnew`)
    await reload()
    expect(await statuses()).toEqual([404, 404])

    await write('new')
    await reload({ headers: bearer('new') })
    expect(await statuses()).toEqual([401, 404])
  })

  test.each<[string, RequestInit & { headers?: Record<string, string> }]>([
    ['no body', {}],
    ['an empty body', { body: '' }],
    ['text', { body: 'reload, please' }],
    ['JSON', { body: '{}', headers: { 'content-type': 'application/json' } }],
    ['invalid JSON', { body: '{', headers: { 'content-type': 'application/json' } }],
    ['a JSON content type without a body', { headers: { 'content-type': 'application/json' } }],
    ['a form', { body: new URLSearchParams({ a: 'b' }) }],
    ['bytes', { body: new Uint8Array([0, 255, 0]) }],
  ])('accepts %s', async (_, init) => {
    const { reload } = await reloadable()

    expect((await reload(init)).status).toBe(200)
  })

  test.each<[string, number, RequestInit & { headers?: Record<string, string> }]>([
    ['an oversized body', 413, { body: 'x'.repeat(17 * 1024) }],
    ['an invalid content type', 415, { body: 'x', headers: { 'content-type': 'nonsense' } }],
  ])('rejects %s without reloading', async (_, status, init) => {
    const listener = vi.fn()
    const { reload } = await reloadable({ listener })

    expect(parseProblem(await reload(init))).toMatchObject({ status })

    expect(listener).not.toHaveBeenCalled()
  })

  test.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('does not support %s', async (method) => {
    const listener = vi.fn()
    const { reload } = await reloadable({ listener })

    const { status, headers } = await reload({ method })

    expect(status).toBe(method === 'OPTIONS' ? 204 : 405)
    expect(headers['allow']).toBe('OPTIONS, POST')

    expect(listener).not.toHaveBeenCalled()
  })

  test('requires a token', async () => {
    const listener = vi.fn()
    const { reload } = await reloadable({ listener })

    expect((await reload({ headers: bearer('other') })).status).toBe(401)

    expect(listener).not.toHaveBeenCalled()
  })

  test('keeps connections open', async () => {
    const { port, reload } = await reloadable()
    const connection = await RawConnection.open(port)
    const get = () => connection.send('GET /nothing HTTP/1.1', 'host: x', `authorization: Bearer ${token}`)
    get()
    await connection.reply()

    expect((await reload()).status).toBe(200)

    get()
    expect(await connection.reply()).toMatchObject({ status: 404, headers: { connection: 'keep-alive' } })
  })

  test('runs concurrent reloads one after the other', async () => {
    const { listener, release } = blockedListener()
    const { bus, reload } = await reloadable({ listener })
    const graceful = vi.spyOn(bus, 'gracefulSettled')
    const replies = [reload(), reload()]
    await expect.poll(() => graceful).toHaveBeenCalledTimes(2)
    expect(listener).toHaveBeenCalledTimes(1)

    release()

    expect((await Promise.all(replies)).map(({ status }) => status)).toEqual([200, 200])
    expect(listener).toHaveBeenCalledTimes(2)
  })
})

describe('a failed reload', () => {
  const broken = () => {
    throw new SourceFailure('SOURCE_REFUSED', 'classified: arn:aws:dynamodb')
  }

  test('leaves out results that cannot be sent, because the reload has succeeded', async () => {
    const circular: { own?: unknown } = {}
    circular.own = circular
    const { reload } = await reloadable({
      big: () => 1n,
      circular: () => circular,
      throwing: () => ({
        get value() {
          throw new Error('getter')
        },
      }),
      null: () => null,
    })

    const { status, body } = await reload()

    expect(status).toBe(200)
    expect(JSON.parse(body).reloaded.slice(0, 4)).toEqual([
      { listener: 'big' },
      { listener: 'circular' },
      { listener: 'throwing' },
      { listener: 'null', result: null },
    ])
  })

  test('reports the failed subscribers with a general reason, and the results of the others', async () => {
    const { reload } = await reloadable({
      first: () => 1,
      broken,
      odd: () => Promise.reject('classified'),
      last: () => 2,
    })

    const reply = await reload()

    expect(failureIn(reply)).toEqual({
      failed: [
        { listener: 'broken', detail: 'The source refused the request.' },
        { listener: 'odd', detail: 'The service failed to handle the request.' },
      ],
      reloaded: [
        { listener: 'first', result: 1 },
        { listener: 'last', result: 2 },
        { listener: 'clients', result: { clients: 1, tokens: 1 } },
        { listener: 'http-server' },
      ],
    })
    expect(reply.body).not.toContain('classified')
  })

  test('reports each listener of a subscriber separately, under its name', async () => {
    const { bus, reload } = await reloadable({ double: broken })
    bus.use('double', (bus) => bus.subscribe(lifecycle.graceful, () => 2))

    const { reloaded } = failureIn(await reload())

    expect(reloaded).toEqual([
      { listener: 'clients', result: { clients: 1, tokens: 1 } },
      { listener: 'double', result: 2 },
      { listener: 'http-server' },
    ])
  })

  test('is logged with its reason and the request id', async () => {
    const { reload, records } = await reloadable({ broken })

    await reload({ headers: { 'x-request-id': 'request-1' } })

    expect(records.filter(({ level }) => level === 'error')).toEqual([
      expect.objectContaining({ message: 'broken failed on lifecycle.graceful: classified: arn:aws:dynamodb' }),
      expect.objectContaining({
        message: 'Failed to reload: broken: classified: arn:aws:dynamodb',
        fields: expect.objectContaining({ reqId: 'request-1' }),
      }),
    ])
  })

  test.each([
    ['is missing', (file: string) => rm(file)],
    ['is empty', (file: string) => writeFile(file, '')],
    ['is malformed', (file: string) => writeFile(file, 'classified-2\nnot classified')],
  ])('keeps the old tokens if the token file %s, and reveals none', async (_, change) => {
    const { file, write, reload, records } = await reloadable()
    await change(file)

    const reply = await reload()

    expect(failureIn(reply)).toEqual({
      failed: [{ listener: 'clients', detail: 'The service failed to handle the request.' }],
      reloaded: [{ listener: 'http-server' }],
    })
    expect((await reload({ headers: bearer('classified-2') })).status).toBe(401)
    expect(inspect([reply, records], { depth: 20, showHidden: true })).not.toContain('classified')

    await write(token)
    expect((await reload()).status).toBe(200)
  })
})

describe('a stopping service', () => {
  test('rejects reloads', async () => {
    const listener = vi.fn()
    const { bus, reload } = await reloadable({ listener }, { drain: 500 })
    const stopped = bus.stop()

    const reply = await reload()

    expect(parseProblem(reply)).toMatchObject({ status: 503, type: 'urn:secret-bus:problem:stopping' })
    expect(reply.headers['retry-after']).toBe('1')
    await stopped
    expect(listener).not.toHaveBeenCalled()
  })

  test('finishes the reload in progress and rejects the queued one', async () => {
    const { listener, release } = blockedListener()
    const { bus, reload } = await reloadable({ listener })
    const graceful = vi.spyOn(bus, 'gracefulSettled')
    const first = reload()
    await expect.poll(() => listener).toHaveBeenCalledTimes(1)
    const second = reload()
    await expect.poll(() => graceful).toHaveBeenCalledTimes(2)

    const exited = bus.exit()
    release()

    expect((await first).status).toBe(200)
    expect(parseProblem(await second)).toMatchObject({ status: 503, type: 'urn:secret-bus:problem:stopping' })
    expect(await exited).toBe(0)
    expect(listener).toHaveBeenCalledTimes(1)
  })
})

describe('the assembled service', () => {
  const reload = async (environment: Record<string, string>) => {
    const { bus, origin } = await assembleService({ embedded: 'true' }, environment)
    await bus.start()
    return fetchReply(`${origin()}/-/reload`, { method: 'POST', headers: bearer(token) })
  }

  test('has the route if a token is configured', async () => {
    const { status, body } = await reload({ SECRET_BUS_AUTH_TOKEN: token })

    expect(status).toBe(200)
    expect(JSON.parse(body).reloaded).toEqual([
      { listener: 'clients', result: { clients: 1, tokens: 1 } },
      { listener: 'credentials' },
      { listener: 'secret-cache', result: { reloaded: ['thedoctor'] } },
      { listener: 'http-server' },
    ])
  })

  test('does not have the route without a token', async () => {
    expect(parseProblem(await reload({}))).toMatchObject({ status: 404 })
  })
})
