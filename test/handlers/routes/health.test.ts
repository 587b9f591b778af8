import { describe, expect, onTestFinished, test } from 'vitest'
import type { Listener } from '../../../src/bus/bus.ts'
import { lifecycle } from '../../../src/bus/process/lifecycle.ts'
import { checkHealth, getIdentity, type HealthCheck } from '../../../src/channels.ts'
import { healthRoutes } from '../../../src/handlers/routes/health.ts'
import { metricsRoutes } from '../../../src/handlers/routes/metrics.ts'
import { identity } from '../../../src/sources/identity.ts'
import { fakeListener, fakeProvider } from '../../../src/testing/fakes.ts'
import { scrape } from '../../support/exposition.ts'
import { fetchReply, type HttpService, startHttp } from '../../support/http/http.ts'

const raise = (thrown: unknown): never => {
  throw thrown
}

const own = { container: 'https://example.com/image', project: 'https://example.com/project' }

/** Starts the routes with these health checks. */
async function health(checks: Record<string, Listener<void, HealthCheck>> = {}) {
  const subscribers = Object.entries(checks).map(([name, check]) => [name, fakeListener(checkHealth, check)] as const)
  return startHttp({
    identity: identity(own),
    routes: healthRoutes(),
    metrics: metricsRoutes(),
    ...Object.fromEntries(subscribers),
  })
}

describe('GET /health', () => {
  test('returns exactly the status, the container and the project', async () => {
    const { origin } = await health()

    const { status, headers, body } = await fetchReply(`${origin}/health`)

    expect(status).toBe(200)
    expect(headers['content-type']).toMatch(/^application\/json/)
    expect(body).toBe(`{"status":"healthy","container":"${own.container}","project":"${own.project}"}`)
  })

  test('makes no calls on the bus', async () => {
    const { origin, activity } = await health({
      broken: () => {
        throw new Error('oops')
      },
    })
    const before = activity.length

    expect((await fetchReply(`${origin}/health`)).status).toBe(200)

    expect(activity.slice(before)).toEqual([])
  })

  test('requests the identity once, at start', async () => {
    const identity = fakeProvider(getIdentity, own)
    const { origin } = await startHttp({ identity, routes: healthRoutes() })

    await fetchReply(`${origin}/health`)
    await fetchReply(`${origin}/health`)

    expect(identity.queries).toHaveLength(1)
  })

  test('responds to HEAD with the headers only', async () => {
    const { origin } = await health()

    expect(await fetchReply(`${origin}/health`, { method: 'HEAD' })).toMatchObject({ status: 200, body: '' })
  })
})

describe('GET /ready', () => {
  test('passes when every check passes', async () => {
    const { origin } = await health({ cache: () => ({ name: 'cache', status: 'pass' }) })

    const { status, headers, body } = await fetchReply(`${origin}/ready`)

    expect(status).toBe(200)
    expect(headers['content-type']).toMatch(/^application\/health\+json(;|$)/)
    expect(JSON.parse(body)).toEqual({
      status: 'pass',
      checks: { cache: [{ status: 'pass' }], 'http-server': [{ status: 'pass' }] },
    })
  })

  test('is 200 with a warning', async () => {
    const { origin } = await health({ cache: () => ({ name: 'cache', status: 'warn', output: 'one is stale' }) })

    const { status, body } = await fetchReply(`${origin}/ready`)

    expect(status).toBe(200)
    expect(JSON.parse(body)).toEqual({
      status: 'warn',
      checks: { cache: [{ status: 'warn', output: 'one is stale' }], 'http-server': [{ status: 'pass' }] },
    })
  })

  test('is 503 when a check fails, even if others only warn', async () => {
    const { origin } = await health({
      cache: () => ({ name: 'cache', status: 'warn' }),
      disk: async () => ({ name: 'disk', status: 'fail', output: 'full' }),
    })

    const { status, headers, body } = await fetchReply(`${origin}/ready`)

    expect(status).toBe(503)
    expect(headers['content-type']).toMatch(/^application\/health\+json(;|$)/)
    expect(JSON.parse(body)).toMatchObject({
      status: 'fail',
      checks: { cache: [{ status: 'warn' }], disk: [{ status: 'fail', output: 'full' }] },
    })
  })

  test('is 503 when a check throws, without revealing the reason', async () => {
    const { origin, messages } = await health({
      cache: () => ({ name: 'cache', status: 'pass' }),
      broken: () => {
        throw new Error('classified')
      },
    })

    const { status, headers, body } = await fetchReply(`${origin}/ready`)

    expect(status).toBe(503)
    expect(headers['content-type']).toMatch(/^application\/health\+json(;|$)/)
    expect(JSON.parse(body)).toEqual({
      status: 'fail',
      checks: { cache: [{ status: 'pass' }], 'http-server': [{ status: 'pass' }], broken: [{ status: 'fail' }] },
    })
    expect(messages('error')).toEqual([expect.stringContaining('classified')])
  })

  test('is 503 when a check never ends', async () => {
    const { origin } = await health({ hanging: () => new Promise(() => {}) })

    const { status, body } = await fetchReply(`${origin}/ready`)

    expect(status).toBe(503)
    expect(JSON.parse(body)).toEqual({
      status: 'fail',
      checks: { 'http-server': [{ status: 'pass' }], hanging: [{ status: 'fail' }] },
    })
  })

  test('names an invalid check once in the log, until its answer changes', async () => {
    let status = 'odd'
    const { origin, messages } = await health({ plugin: () => ({ name: 'disk', status }) as HealthCheck })
    const ready = async () => (await fetchReply(`${origin}/ready`)).status

    expect([await ready(), await ready()]).toEqual([503, 503])
    status = 'pass'
    expect(await ready()).toBe(200)
    status = 'odd'
    expect(await ready()).toBe(503)

    const line = 'Invalid health check: status must be pass, warn or fail, received "odd" (plugin)'
    expect(messages('error')).toEqual([line, line])
  })

  test('leaves a line when the components that fail change', async () => {
    let failing: readonly string[] = []
    const check = (name: string) => () => ({
      name,
      status: failing.includes(name) ? ('fail' as const) : ('pass' as const),
    })
    const { origin, records } = await health({ first: check('first'), second: check('second') })

    for (const names of [['second'], [], ['first'], ['first'], ['first', 'second'], [], []]) {
      failing = names
      await fetchReply(`${origin}/ready`, { headers: { 'x-request-id': 'probe' } })
    }

    const fields = { reqId: 'probe', method: 'GET', route: '/ready' }
    expect(records.filter(({ message }) => /ready/i.test(message))).toEqual([
      // No fault during a start.
      { level: 'info', message: 'Not ready: second', fields: { ...fields, status: 503 } },
      { level: 'info', message: 'Ready again', fields: { ...fields, status: 200 } },
      { level: 'warn', message: 'Not ready: first', fields: { ...fields, status: 503 } },
      { level: 'warn', message: 'Not ready: first, second', fields: { ...fields, status: 503 } },
      { level: 'info', message: 'Ready again', fields: { ...fields, status: 200 } },
    ])
  })

  test('does not contain a check that returns undefined', async () => {
    const { origin, messages } = await health({ plugin: () => undefined as unknown as HealthCheck })

    expect(JSON.parse((await fetchReply(`${origin}/ready`)).body).checks).toEqual({
      'http-server': [{ status: 'pass' }],
    })
    expect(messages('error')).toEqual([])
  })

  test.each([
    ['throws', (): never => raise(null)],
    ['rejects with null', () => Promise.reject(null)],
    ['returns nonsense', () => 'nonsense' as unknown as HealthCheck],
  ])('does not reveal the path of a plugin that %s', async (_, check) => {
    const { origin, messages } = await health({ '/opt/plugins/disk.mjs': check })

    const { status, body } = await fetchReply(`${origin}/ready`)

    expect(status).toBe(503)
    expect(JSON.parse(body).checks).toMatchObject({ 'disk.mjs': [{ status: 'fail' }] })
    expect(body).not.toContain('/opt')
    expect(messages('error')).toEqual([expect.stringContaining('/opt/plugins/disk.mjs')])
  })

  test('contains all entries of checks with the same name', async () => {
    const { origin } = await health({
      one: () => ({ name: 'disk', status: 'fail', output: 'full' }),
      another: () => ({ name: 'disk', status: 'pass' }),
    })

    expect(JSON.parse((await fetchReply(`${origin}/ready`)).body)).toMatchObject({
      status: 'fail',
      checks: { disk: [{ status: 'fail', output: 'full' }, { status: 'pass' }] },
    })
  })

  test('forbids caching', async () => {
    const { origin } = await health()

    expect((await fetchReply(`${origin}/ready`)).headers['cache-control']).toBe('no-store')
  })

  test('passes the request id to the checks', async () => {
    const ids: (string | undefined)[] = []
    const { origin } = await health({
      cache: (_, { id }) => {
        ids.push(id)
        return { name: 'cache', status: 'pass' }
      },
    })

    await fetchReply(`${origin}/ready`, { headers: { 'x-request-id': 'request-1' } })

    expect(ids).toEqual(['request-1'])
  })

  test('responds to HEAD with the status only', async () => {
    const { origin } = await health({ disk: () => ({ name: 'disk', status: 'fail' }) })

    expect(await fetchReply(`${origin}/ready`, { method: 'HEAD' })).toMatchObject({ status: 503, body: '' })
  })
})

describe('a scrape', () => {
  const read = async ({ origin }: HttpService) => {
    const scraped = await scrape(origin)
    const current = Object.entries(scraped.values('secret_bus_health')).flatMap(([key, value]) => (value ? [key] : []))
    return { ready: scraped.values('secret_bus_ready'), current: current.toSorted() }
  }

  test.each<[string, Record<string, Listener<void, HealthCheck>>, string[]]>([
    ['pass', { cache: () => ({ name: 'cache', status: 'pass' }) }, ['cache pass']],
    ['warn', { cache: () => ({ name: 'cache', status: 'warn', output: 'stale' }) }, ['cache warn']],
    [
      'warn and fail',
      { cache: () => ({ name: 'cache', status: 'warn' }), disk: async () => ({ name: 'disk', status: 'fail' }) },
      ['cache warn', 'disk fail'],
    ],
    ['throw', { '/opt/plugins/disk.mjs': () => raise(new Error('oops')) }, ['disk.mjs fail']],
    ['never end', { hanging: () => new Promise(() => {}) }, ['hanging fail']],
    ['are invalid', { odd: () => 'nonsense' as unknown as HealthCheck }, ['odd fail']],
    ['return undefined', { none: () => undefined as unknown as HealthCheck }, []],
    [
      'have the same name',
      { one: () => ({ name: 'disk', status: 'warn' }), another: () => ({ name: 'disk', status: 'pass' }) },
      ['disk warn'],
    ],
    [
      'have names that are the same in UTF-8',
      { one: () => ({ name: '\ud800', status: 'fail' }), another: () => ({ name: '\udbff', status: 'pass' }) },
      ['\ufffd fail'],
    ],
  ])('contains the readiness and the checks that %s, as in GET /ready', async (_, checks, expected) => {
    const service = await health(checks)

    const { ready, current } = await read(service)

    expect(current).toEqual([...expected, 'http-server pass'].toSorted())
    const { status } = await fetchReply(`${service.origin}/ready`)
    expect(ready).toEqual({ '': status === 200 ? 1 : 0 })
  })

  test('contains a series for each status of a check', async () => {
    const { origin } = await health({ cache: () => ({ name: 'cache', status: 'warn' }) })

    expect((await scrape(origin)).values('secret_bus_health')).toMatchObject({
      'cache pass': 0,
      'cache warn': 1,
      'cache fail': 0,
    })
  })

  test('runs each check once, and logs an invalid one once, also if readiness is checked', async () => {
    let calls = 0
    const odd = () => {
      calls += 1
      return 'nonsense' as unknown as HealthCheck
    }
    const { origin, messages } = await health({ odd })

    await scrape(origin)
    expect(calls).toBe(1)
    await fetchReply(`${origin}/ready`)

    expect(messages('error')).toHaveLength(1)
  })

  test('is not ready while the service shuts down', async () => {
    const service = await health()
    expect((await read(service)).ready).toEqual({ '': 1 })
    const { promise: testFinished, resolve } = Promise.withResolvers<void>()
    service.bus.subscribe(lifecycle.stop, () => testFinished, { priority: 0 })
    onTestFinished(() => resolve())
    void service.bus.exit()

    expect(await read(service)).toEqual({ ready: { '': 0 }, current: ['http-server fail'] })
  })
})
