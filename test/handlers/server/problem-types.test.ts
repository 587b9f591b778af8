import { describe, expect, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { declareProblems, httpRoutes, type ProblemDeclaration } from '../../../src/channels.ts'
import { docs } from '../../../src/handlers/routes/docs.ts'
import { fakeListener } from '../../../src/testing/fakes.ts'
import { startHttp } from '../../../src/testing/http.ts'

const service = { name: 'orders', version: '1.2.3' }
const down: ProblemDeclaration = {
  status: 503,
  title: 'Upstream down',
  detail: 'The upstream is down.',
  retryAfter: true,
  members: { upstream: { type: 'string' } },
}

type Declared = Readonly<Record<string, ProblemDeclaration>>

/** Declares problem types as JavaScript may return them. */
const declaring = (problems: unknown) => fakeListener(declareProblems, problems as Declared)

/** A route that throws the error. */
const throwing =
  (error: unknown): Subscriber =>
  (bus) =>
    bus.subscribe(httpRoutes, (app) => {
      app.get('/throws', () => {
        throw error
      })
    })

async function problemFor(error: unknown, problems: unknown = { UPSTREAM_DOWN: down }) {
  await using server = await startHttp({ plugin: declaring(problems), route: throwing(error) }, { service })
  const reply = await fetch(`${server.origin}/throws`)
  return { status: reply.status, retryAfter: reply.headers.get('retry-after'), body: await reply.json() }
}

describe('a declared problem type', () => {
  test('is the reply to an error with its code, with the members and the delay that the error carries', async () => {
    const error = Object.assign(new Error('10.0.0.7 refused'), {
      code: 'UPSTREAM_DOWN',
      retryAfter: 5_000,
      upstream: 'stock',
      host: '10.0.0.7',
    })

    const { status, retryAfter, body } = await problemFor(error)

    expect([status, retryAfter]).toEqual([503, '5'])
    expect(body).toEqual({
      type: 'urn:orders:problem:upstream-down',
      title: 'Upstream down',
      status: 503,
      detail: 'The upstream is down.',
      instance: expect.any(String),
      upstream: 'stock',
    })
  })

  test('may have a member that is null', async () => {
    const { body } = await problemFor({ code: 'UPSTREAM_DOWN', members: { upstream: null } })

    expect(body).toMatchObject({ upstream: null })
  })

  test('may have its members in the property members of the error', async () => {
    const { body } = await problemFor({ code: 'UPSTREAM_DOWN', members: { upstream: 'stock', other: 1 } })

    expect(body).toMatchObject({ upstream: 'stock' })
    expect(body).not.toHaveProperty('other')
  })

  test.each([
    ['a bigint', 1n],
    ['a function', () => 1],
    ['a circular object', Object.assign([] as unknown[], { 0: 1 })].map((value, index) =>
      index === 1 ? ((list) => (list as unknown[]).push(list) && list)(value) : value,
    ) as [string, unknown],
  ])('leaves out a member that is %s', async (_what, upstream) => {
    const { status, body } = await problemFor({ code: 'UPSTREAM_DOWN', upstream })

    expect(status).toBe(503)
    expect(body).not.toHaveProperty('upstream')
  })

  test('has the slug that it declares', async () => {
    const { body } = await problemFor({ code: 'UPSTREAM_DOWN' }, { UPSTREAM_DOWN: { ...down, slug: 'down' } })

    expect(body).toMatchObject({ type: 'urn:orders:problem:down' })
  })

  test('is in the OpenAPI document, even if no route documents it', async () => {
    await using server = await startHttp({ docs: docs(), plugin: declaring({ UPSTREAM_DOWN: down }) }, { service })

    const document = (await (await fetch(`${server.origin}/openapi.json`)).json()) as {
      components: { responses: Record<string, unknown> }
    }

    expect(document.components.responses).toEqual({
      UPSTREAM_DOWN: expect.objectContaining({ description: 'Upstream down: The upstream is down.' }),
    })
  })
})

describe.each([
  ['SECRET_NOT_FOUND', 502],
  ['SOURCE_STARTING', 503],
  ['SOURCE_THROTTLED', 503],
  ['SOURCE_TIMEOUT', 504],
  ['SOURCE_UNAVAILABLE', 502],
  ['SOURCE_REFUSED', 502],
])('%s outside the secret routes', (code, expected) => {
  test(`is ${expected}, because the client is not the cause`, async () => {
    expect(await problemFor({ code })).toMatchObject({ status: expected })
  })
})

describe('the start fails', () => {
  const start = (problems: unknown, other: unknown = undefined) =>
    startHttp({ one: declaring(problems), two: declaring(other) }, { service })

  test.each<[string, unknown, string]>([
    ['is not a record', ['UPSTREAM_DOWN'], 'one must declare problems as a record by code'],
    ['has a code in lower case', { down }, 'whose code must be in upper case, such as UPSTREAM_DOWN'],
    ['is not an object', { DOWN: 503 }, 'which must be an object'],
    ['has the status of a success', { DOWN: { ...down, status: 200 } }, 'from 400 to 599, received 200'],
    ['has a fractional status', { DOWN: { ...down, status: 400.5 } }, 'from 400 to 599, received 400.5'],
    ['has no title', { DOWN: { ...down, title: '' } }, 'whose title must be a text'],
    ['has no detail', { DOWN: { status: 503, title: 'x' } }, 'whose detail must be a text'],
    ['has an invalid slug', { DOWN: { ...down, slug: 'a b' } }, 'whose slug must be in kebab case'],
    ['has an unknown member', { DOWN: { ...down, type: 'x' } }, 'which has the unknown member type'],
    ['replaces a standard member', { DOWN: { ...down, members: { title: {} } } }, 'whose member title must not have'],
    ['has a list of members', { DOWN: { ...down, members: [] } }, 'whose members must be a record of JSON schemas'],
    ['has a member without a schema', { DOWN: { ...down, members: { a1: 1 } } }, 'whose member a1 must have'],
  ])('with 78 if a declaration %s', async (_what, problems, message) => {
    await expect(start(problems)).rejects.toMatchObject({ exitCode: 78, message: expect.stringContaining(message) })
  })

  test('and names both subscribers if they declare the same code differently', async () => {
    await expect(start({ DOWN: down }, { DOWN: { ...down, status: 502 } })).rejects.toMatchObject({
      exitCode: 78,
      message: 'Both one and two declare the problem DOWN',
    })
  })

  test('and names both subscribers if they use the same slug', async () => {
    await expect(start({ DOWN: down }, { OTHER: { ...down, slug: 'down' } })).rejects.toThrow(
      'Both one and two declare a problem with the slug down',
    )
  })

  test('and names the server if a subscriber declares one of its problems', async () => {
    await expect(start({ OVERLOADED: down })).rejects.toThrow('Both http-server and one declare the problem OVERLOADED')
  })

  test('but not if two subscribers declare the same', async () => {
    await using server = await start({ DOWN: down }, { DOWN: { ...down } })

    expect(server.bus.state).toBe('STARTED')
  })

  test('if a route documents a problem that is not declared', async () => {
    const route: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, (app) => {
        app.get('/x', { config: { documentation: { problems: ['MISSING'] } } }, async () => 'x')
      })

    await expect(startHttp({ docs: docs(), route }, { service })).rejects.toThrow(
      'The route /x documents the problem MISSING, which is not declared',
    )
  })
})
