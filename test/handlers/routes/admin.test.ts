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
import { tokens } from '../../../src/sources/tokens.ts'
import { ask, problemIn, RawConnection, type RawReply, startHttp } from '../../support/http/http.ts'
import { assembled } from '../../support/service/assembled.ts'

const token = 'classified-1'
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

const reloading =
  (reload: Listener<void, unknown>): Subscriber =>
  (bus) =>
    bus.subscribe(lifecycle.graceful, reload)

/** The route behind a file of tokens, and listeners that each reload something before the tokens are read again. */
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
      tokens: tokens({ authTokenFile: file }),
      authentication: authentication(),
      admin: adminRoutes(),
    },
    options,
  )
  const reload = ({ headers, ...init }: RequestInit & { headers?: Record<string, string> } = {}) =>
    ask(`${service.origin}/-/reload`, { method: 'POST', ...init, headers: { ...bearer(token), ...headers } })
  return { ...service, file, write, reload }
}

/** What the client is told of a reload that failed: a problem like every other, and more. */
function failureIn(reply: RawReply) {
  const { failed, reloaded, ...problem } = JSON.parse(reply.body)
  expect(problemIn({ ...reply, body: JSON.stringify(problem) })).toMatchObject({
    status: 500,
    type: 'urn:secret-bus:problem:reload-failed',
  })
  return { failed, reloaded }
}

/** A listener that goes on when it is let go. */
function heldBack() {
  const { promise, resolve: letGo } = Promise.withResolvers<void>()
  return { listener: vi.fn(() => promise), letGo }
}

describe('POST /-/reload', () => {
  test('has everybody reload, and tells what each of them said', async () => {
    const { reload } = await reloadable({
      late: async () => ({ it: 'is late' }),
      text: () => 'done',
      quiet: () => undefined,
    })

    const { status, headers, body } = await reload()

    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': expect.stringMatching(/^application\/json/),
      'cache-control': 'no-store',
    })
    expect(JSON.parse(body)).toEqual({
      reloaded: [
        { listener: 'late', said: { it: 'is late' } },
        { listener: 'text', said: 'done' },
        { listener: 'quiet' },
        { listener: 'tokens', said: { tokens: 1 } },
        { listener: 'http-server' },
      ],
    })
  })

  test('lets tokens be exchanged: both serve between two reloads, and then the new one alone', async () => {
    const { origin, write, reload } = await reloadable()
    const statuses = async () => {
      const replies = await Promise.all([token, 'new'].map((token) => ask(`${origin}/x`, { headers: bearer(token) })))
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
    ['a text', { body: 'reload, please' }],
    ['JSON', { body: '{}', headers: { 'content-type': 'application/json' } }],
    ['JSON that is none', { body: '{', headers: { 'content-type': 'application/json' } }],
    ['no JSON where JSON should be', { headers: { 'content-type': 'application/json' } }],
    ['a form', { body: new URLSearchParams({ a: 'b' }) }],
    ['bytes', { body: new Uint8Array([0, 255, 0]) }],
  ])('may come with %s', async (_, init) => {
    const { reload } = await reloadable()

    expect((await reload(init)).status).toBe(200)
  })

  test.each<[string, number, RequestInit & { headers?: Record<string, string> }]>([
    ['more than the server reads', 413, { body: 'x'.repeat(17 * 1024) }],
    ['a content type that is none', 415, { body: 'x', headers: { 'content-type': 'nonsense' } }],
  ])('with %s is refused, and nobody reloads', async (_, status, init) => {
    const listener = vi.fn()
    const { reload } = await reloadable({ listener })

    expect(problemIn(await reload(init))).toMatchObject({ status })

    expect(listener).not.toHaveBeenCalled()
  })

  test.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'is the only method: %s does nothing',
    async (method) => {
      const listener = vi.fn()
      const { reload } = await reloadable({ listener })

      expect((await reload({ method })).status).toBe(404)

      expect(listener).not.toHaveBeenCalled()
    },
  )

  test('needs a token', async () => {
    const listener = vi.fn()
    const { reload } = await reloadable({ listener })

    expect((await reload({ headers: bearer('other') })).status).toBe(401)

    expect(listener).not.toHaveBeenCalled()
  })

  test('leaves connections open', async () => {
    const { port, reload } = await reloadable()
    const connection = await RawConnection.open(port)
    const get = () => connection.send('GET /nothing HTTP/1.1', 'host: x', `authorization: Bearer ${token}`)
    get()
    await connection.reply()

    expect((await reload()).status).toBe(200)

    get()
    expect(await connection.reply()).toMatchObject({ status: 404, headers: { connection: 'keep-alive' } })
  })

  test('asked for twice at a time reloads twice, one after the other', async () => {
    const { listener, letGo } = heldBack()
    const { bus, reload } = await reloadable({ listener })
    const graceful = vi.spyOn(bus, 'graceful')
    const replies = [reload(), reload()]
    await expect.poll(() => graceful).toHaveBeenCalledTimes(2)
    expect(listener).toHaveBeenCalledTimes(1)

    letGo()

    expect((await Promise.all(replies)).map(({ status }) => status)).toEqual([200, 200])
    expect(listener).toHaveBeenCalledTimes(2)
  })
})

describe('a reload that fails', () => {
  const broken = () => {
    throw new SourceFailure('SOURCE_REFUSED', 'classified: arn:aws:dynamodb')
  }

  test('is told with who failed, why in general, and what the others said', async () => {
    const { reload } = await reloadable({
      first: () => 1,
      broken,
      odd: () => Promise.reject('classified'),
      last: () => 2,
    })

    const reply = await reload()

    expect(failureIn(reply)).toEqual({
      failed: [
        { listener: 'broken', detail: 'The source does not give the secret out.' },
        { listener: 'odd', detail: 'The service failed. Its log says why.' },
      ],
      reloaded: [
        { listener: 'first', said: 1 },
        { listener: 'last', said: 2 },
        { listener: 'tokens', said: { tokens: 1 } },
        { listener: 'http-server' },
      ],
    })
    expect(reply.body).not.toContain('classified')
  })

  test('of one who has more to reload, and can reload the rest, is told under that name', async () => {
    const { bus, reload } = await reloadable({ double: broken })
    bus.use('double', (bus) => bus.subscribe(lifecycle.graceful, () => 2))

    const { reloaded } = failureIn(await reload())

    expect(reloaded).toEqual([
      { listener: 'tokens', said: { tokens: 1 } },
      { listener: 'http-server' },
      { listener: 'double', said: 2 },
    ])
  })

  test('is in the log with the reason, under the id of the request, too', async () => {
    const { reload, records } = await reloadable({ broken })

    await reload({ headers: { 'x-request-id': 'request-1' } })

    expect(records.filter(({ level }) => level === 'error')).toEqual([
      expect.objectContaining({ message: 'broken failed on lifecycle.graceful: classified: arn:aws:dynamodb' }),
      expect.objectContaining({
        message: 'lifecycle.graceful failed: broken: classified: arn:aws:dynamodb',
        fields: expect.objectContaining({ reqId: 'request-1' }),
      }),
    ])
  })

  test.each([
    ['is gone', (file: string) => rm(file)],
    ['is empty', (file: string) => writeFile(file, '')],
    ['is broken', (file: string) => writeFile(file, 'classified-2\nnot classified')],
  ])('since the file of tokens %s keeps the old tokens, and quotes none', async (_, change) => {
    const { file, write, reload, records } = await reloadable()
    await change(file)

    const reply = await reload()

    expect(failureIn(reply)).toEqual({
      failed: [{ listener: 'tokens', detail: 'The service failed. Its log says why.' }],
      reloaded: [{ listener: 'http-server' }],
    })
    expect((await reload({ headers: bearer('classified-2') })).status).toBe(401)
    expect(inspect([reply, records], { depth: 20, showHidden: true })).not.toContain('classified')

    await write(token)
    expect((await reload()).status).toBe(200)
  })
})

describe('a service that stops', () => {
  test('does not reload any more, and says so', async () => {
    const listener = vi.fn()
    const { bus, reload } = await reloadable({ listener }, { drain: 500 })
    const stopped = bus.stop()

    const reply = await reload()

    expect(problemIn(reply)).toMatchObject({ status: 503, type: 'urn:secret-bus:problem:stopping' })
    expect(reply.headers['retry-after']).toBe('1')
    await stopped
    expect(listener).not.toHaveBeenCalled()
  })

  test('finishes the reload under way, and says to who waited for the next that it stops', async () => {
    const { listener, letGo } = heldBack()
    const { bus, reload } = await reloadable({ listener })
    const graceful = vi.spyOn(bus, 'graceful')
    const first = reload()
    await expect.poll(() => listener).toHaveBeenCalledTimes(1)
    const second = reload()
    await expect.poll(() => graceful).toHaveBeenCalledTimes(2)

    const exited = bus.exit()
    letGo()

    expect((await first).status).toBe(200)
    expect(problemIn(await second)).toMatchObject({ status: 503, type: 'urn:secret-bus:problem:stopping' })
    expect(await exited).toBe(0)
    expect(listener).toHaveBeenCalledTimes(1)
  })
})

describe('the assembled service', () => {
  const reload = async (environment: Record<string, string>) => {
    const { bus, origin } = await assembled({ embedded: 'true' }, environment)
    await bus.start()
    return ask(`${origin()}/-/reload`, { method: 'POST', headers: bearer(token) })
  }

  test('has the route where a token is configured', async () => {
    const { status, body } = await reload({ SECRET_BUS_AUTH_TOKEN: token })

    expect(status).toBe(200)
    expect(JSON.parse(body).reloaded).toEqual([
      { listener: 'secret-cache', said: { reloaded: ['thedoctor'] } },
      { listener: 'tokens', said: { tokens: 1 } },
      { listener: 'http-server' },
    ])
  })

  test('has no such route where none is', async () => {
    expect(problemIn(await reload({}))).toMatchObject({ status: 404 })
  })
})
