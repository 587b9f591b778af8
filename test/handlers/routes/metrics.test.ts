import { syncBuiltinESMExports } from 'node:module'
import perfHooks, { PerformanceObserver } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import zlib, { gunzipSync } from 'node:zlib'
import { request } from 'undici'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { collectMetrics, type Metric, type Numbers } from '../../../src/channels.ts'
import { metricsRoutes } from '../../../src/handlers/routes/metrics.ts'
import { Exposition, scrape } from '../../support/exposition.ts'
import { fetchReply, RawConnection, startHttp } from '../../support/http/http.ts'

const requestsIn = (exposition: Exposition) => exposition.values('secret_bus_http_requests_total')

afterEach(() => {
  vi.restoreAllMocks()
  syncBuiltinESMExports()
})

describe('a scrape', () => {
  const counter: Numbers = { name: 'sound_total', help: 'Sound ones.', type: 'counter', values: [{ value: 7 }] }
  const collecting =
    (answer: () => unknown): Subscriber =>
    (bus) =>
      bus.subscribe(collectMetrics, () => answer() as Metric[]) // a plugin may return anything

  test.each<[string, () => unknown, string]>([
    ['rejects', () => Promise.reject(new Error('oops')), 'faulty failed on metrics.collect: oops'],
    ['hangs', () => new Promise(() => {}), 'faulty did not finish metrics.collect within'],
    ['returns a duplicate name', () => [{ ...counter, values: [{ value: 1 }] }], 'sound_total: duplicate name'],
    ['returns a name of the service', () => [{ ...counter, name: 'secret_bus_http_requests_total' }], 'duplicate name'],
    ['returns a name of the process', () => [{ ...counter, name: 'process_cpu_seconds_total' }], 'duplicate name'],
    ['returns an invalid name', () => [{ ...counter, name: 'no name' }], 'name must match'],
    ['returns no help', () => [{ ...counter, name: 'x_total', help: '' }], 'help must match'],
    ['returns an invalid label', () => [faulty({ value: 1, labels: { 'no-label': 'x' } })], 'label name must match'],
    [
      'returns a decreasing counter',
      () => [faulty({ value: 1 }, { value: -1 })],
      'value must be finite and not negative, received -1',
    ],
    [
      'returns an invalid value',
      () => [faulty({ value: Infinity })],
      'value must be finite and not negative, received Infinity',
    ],
    ['returns nothing', () => undefined, 'of faulty: metrics must be an array, received undefined'],
  ])('omits and logs the metrics of a subscriber that %s', async (_, answer, message) => {
    const { origin, records } = await startHttp({
      metrics: metricsRoutes(),
      sound: collecting(() => [counter]),
      faulty: collecting(answer),
    })

    const scraped = await scrape(origin, { 'x-request-id': 'scrape-1' })

    expect(scraped.values('sound_total')).toEqual({ '': 7 })
    expect(scraped.families.map(({ name }) => name)).not.toContain('faulty_total')
    const errors = records.filter(({ level }) => level === 'error')
    expect(errors).toMatchObject([{ message: expect.stringContaining(message), fields: { reqId: 'scrape-1' } }])
  })

  function faulty(...values: Numbers['values']): Metric {
    return { name: 'faulty_total', help: 'Faulty ones.', type: 'counter', values }
  }

  test('names an invalid metric once in the log, with its subscriber', async () => {
    const { origin, messages } = await startHttp({
      metrics: metricsRoutes(),
      faulty: collecting(() => [faulty({ value: -1 }), { ...counter, name: 'no name' }]),
      other: collecting(() => [{ ...counter, help: '' }]),
    })

    for (let count = 0; count < 3; count += 1) await scrape(origin)

    expect(messages('error')).toEqual([
      expect.stringMatching(/^Left out an invalid metric of faulty: faulty_total: /),
      expect.stringMatching(/^Left out an invalid metric of faulty: no name: /),
      expect.stringMatching(/^Left out an invalid metric of other: sound_total: /),
    ])
  })

  test('logs a limited number of invalid metrics, even if each has another name', async () => {
    let count = 0
    const next = () => {
      count += 1
      return { ...counter, name: `no name ${count}` }
    }
    const { origin, messages } = await startHttp({
      metrics: metricsRoutes(),
      faulty: collecting(() => Array.from({ length: 60 }, next)),
    })

    for (let scrapes = 0; scrapes < 3; scrapes += 1) await scrape(origin)

    expect(messages('error')).toHaveLength(100)
  })

  test('omits a metric without values instead of rendering 0', async () => {
    const gauge: Metric = { name: 'temperature_celsius', help: 'Current temperature.', type: 'gauge', values: [] }
    const { origin, messages } = await startHttp({ metrics: metricsRoutes(), none: collecting(() => [gauge]) })

    expect((await scrape(origin)).values(gauge.name)).toEqual({})
    expect(messages('error')).toEqual([])
  })

  test('preserves label values with special characters', async () => {
    const names = ['"quoted"', 'two\nlines', 'back\\slash\\n', '\\"', 'a="b",c="d"} 1', 'ünï 日本', '', '\r\u2028']
    const values = names.map((name, index) => ({ labels: { name }, value: index }))
    const { origin } = await startHttp({ metrics: metricsRoutes(), odd: collecting(() => [{ ...counter, values }]) })

    expect((await scrape(origin)).values('sound_total')).toEqual(
      Object.fromEntries(names.map((name, index) => [name, index])),
    )
  })

  test('is independent of concurrent scrapes, and counts all of them', async () => {
    const { origin } = await startHttp({ metrics: metricsRoutes(), sound: collecting(() => [counter]) })

    const scrapes = await Promise.all(Array.from({ length: 20 }, () => scrape(origin)))

    for (const scraped of scrapes) expect(scraped.values('sound_total')).toEqual({ '': 7 })
    expect(requestsIn(await scrape(origin))).toEqual({ '/metrics 200': 20 })
  })

  test('shares its document with scrapes that arrive soon after on other connections', async () => {
    let collections = 0
    const service = await startHttp({
      metrics: metricsRoutes(),
      sound: collecting(() => {
        collections += 1
        return [counter]
      }),
    })
    const connections = await Promise.all(Array.from({ length: 20 }, () => RawConnection.open(service.port)))
    await scrape(service.origin) // loads what a scrape needs
    collections = 0

    for (const connection of connections) {
      connection.send('GET /metrics HTTP/1.1', 'Host: x')
      await setImmediate() // the server reads it on its own
    }
    for (const connection of connections) expect(await connection.reply()).toMatchObject({ status: 200 })

    expect(collections).toBeLessThan(connections.length / 2)
  })

  test('counts previous scrapes, but not itself', async () => {
    const { origin } = await startHttp({ metrics: metricsRoutes() })

    const [first, second] = [await scrape(origin), await scrape(origin)]

    expect(requestsIn(first)).toEqual({})
    expect(requestsIn(second)).toEqual({ '/metrics 200': 1 })
    expect(second.values('secret_bus_http_request_duration_seconds_count')).toEqual({ '/metrics': 1 })
  })

  test('restarts the HTTP counters with the server', async () => {
    const service = await startHttp({ metrics: metricsRoutes() })
    await fetchReply(`${service.origin}/nothing`)
    await service.bus.stop()

    await service.bus.start()

    expect(requestsIn(await scrape(service.origin))).toEqual({})
  })
})

describe('compression', () => {
  async function get(origin: string, headers: Record<string, string>, method: 'GET' | 'HEAD' = 'GET') {
    const { statusCode, headers: received, body } = await request(`${origin}/metrics`, { headers, method })
    return { status: statusCode, headers: received, content: Buffer.from(await body.arrayBuffer()) }
  }
  /** A counter that makes the document long. */
  const long: Subscriber = (bus) => {
    const values = Array.from({ length: 2_000 }, (_, index) => ({ labels: { name: `name-${index}` }, value: index }))
    bus.subscribe(collectMetrics, () => [{ name: 'long_total', help: 'Long.', type: 'counter', values }])
  }

  test('uses gzip if the client accepts it', async () => {
    const { origin } = await startHttp({ metrics: metricsRoutes(), long })

    const [packed, plain] = [await get(origin, { 'accept-encoding': 'gzip' }), await get(origin, {})]

    expect(packed.headers).toMatchObject({
      'content-encoding': 'gzip',
      'content-length': String(packed.content.length),
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
      'cache-control': 'no-store',
      vary: 'accept-encoding',
    })
    expect(plain.headers).toMatchObject({ vary: 'accept-encoding', 'content-length': String(plain.content.length) })
    expect(plain.headers).not.toHaveProperty('content-encoding')
    const values = (text: string) => new Exposition(text).values('long_total')
    expect(values(gunzipSync(packed.content).toString())).toEqual(values(plain.content.toString()))
    expect(packed.content.length).toBeLessThan(plain.content.length / 4)
  })

  test.each(['gzip;q=0', 'identity, gzip;q=0.5', 'br'])('does not use it with %s', async (header) => {
    const { origin } = await startHttp({ metrics: metricsRoutes() })

    expect((await get(origin, { 'accept-encoding': header })).headers).not.toHaveProperty('content-encoding')
  })

  test.each([
    ['gzip', { 'content-encoding': 'gzip' }],
    ['identity', {}],
  ])('responds to HEAD with the headers only: %s', async (coding, expected) => {
    const { origin } = await startHttp({ metrics: metricsRoutes() })

    const { status, headers, content } = await get(origin, { 'accept-encoding': coding }, 'HEAD')

    expect(status).toBe(200)
    expect(headers).toMatchObject({ vary: 'accept-encoding', ...expected })
    expect(Number(headers['content-length'])).toBeGreaterThan(100)
    expect(content).toHaveLength(0)
  })

  test('happens once for all scrapes that share a document', async () => {
    const compressing = vi.spyOn(zlib, 'gzip')
    syncBuiltinESMExports()
    const { origin } = await startHttp({ metrics: metricsRoutes(), long })
    await get(origin, {}) // loads what a scrape needs

    const scrapes = await Promise.all(Array.from({ length: 20 }, () => get(origin, { 'accept-encoding': 'gzip' })))

    for (const { content } of scrapes) expect(gunzipSync(content).toString()).toContain('name-1999')
    expect(compressing.mock.calls.length).toBeGreaterThan(0)
    expect(compressing.mock.calls.length).toBeLessThan(scrapes.length / 2)
  })
})

test('process metrics are collected once, even if the server restarts', async () => {
  await startHttp({ metrics: metricsRoutes() })
  const observing = vi.spyOn(PerformanceObserver.prototype, 'observe')
  const monitoring = vi.spyOn(perfHooks, 'monitorEventLoopDelay')

  for (let count = 0; count < 20; count += 1) {
    const { bus } = await startHttp({ metrics: metricsRoutes() })
    await bus.stop()
    await bus.start()
    await bus.exit()
  }

  expect(observing).not.toHaveBeenCalled()
  expect(monitoring).not.toHaveBeenCalled()
})
