import { METHODS } from 'node:http'
import { describe, expect, test } from 'vitest'
import { checkHealth } from '../../src/channels.ts'
import { scrape } from '../support/exposition.ts'
import { fetchReply, RawConnection } from '../support/http/http.ts'
import { type AssembledService, assembleService, ownPackage } from '../support/service/assemble-service.ts'

const token = 'a-token'
const authorization = `Bearer ${token}`

/** Starts the service with authentication and waits until these secrets are loaded. */
async function loaded(...codeNames: string[]): Promise<AssembledService> {
  const service = await assembleService({ embedded: 'true', 'code-name': codeNames }, { SECRET_BUS_AUTH_TOKEN: token })
  await service.bus.start()
  const checks = async () => (await service.bus.publish(checkHealth)).map(({ status }) => status)
  await expect.poll(checks).toEqual(['pass', 'pass'])
  return service
}

describe('a scrape of the service', () => {
  test('follows the Prometheus conventions for names, units and labels', async () => {
    const { origin } = await loaded('thedoctor')

    const { families } = await scrape(origin(), { authorization })

    for (const { name, type, samples } of families) {
      expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
      expect(name).not.toMatch(/_(ms|milliseconds?|minutes?|hours?|kilobytes?|kb|mb|percent)(_|$)/)
      expect(name.endsWith('_total'), name).toBe(type === 'counter')
      for (const { labels } of samples) expect(Object.keys(labels).join()).toMatch(/^([a-z]+(_[a-z]+)*,?)*$/)
    }
  })

  test('contains the metrics of the service and of the process', async () => {
    const { origin } = await loaded('thedoctor')
    await fetchReply(origin())

    const names = (await scrape(origin(), { authorization })).families.map(({ name }) => name)

    expect(names.filter((name) => name.startsWith('secret_bus_'))).toEqual([
      'secret_bus_build_info',
      'secret_bus_http_requests_total',
      'secret_bus_http_request_duration_seconds',
      'secret_bus_http_malformed_requests_total',
      'secret_bus_calls_total',
      'secret_bus_call_seconds_total',
      'secret_bus_state',
      'secret_bus_http_requests_shed_total',
      'secret_bus_token_uses_total',
      'secret_bus_clients_stale_seconds',
      'secret_bus_ready',
      'secret_bus_health',
      'secret_bus_secret_reads_total',
      'secret_bus_secret_fetches_total',
      'secret_bus_secret_refreshes_total',
      'secret_bus_secret_age_seconds',
      'secret_bus_secret_ttl_seconds',
    ])
    expect(names).toEqual(
      expect.arrayContaining([
        'process_cpu_seconds_total',
        'process_resident_memory_bytes',
        'process_start_time_seconds',
        'nodejs_eventloop_lag_p99_seconds',
        'nodejs_heap_size_used_bytes',
        'nodejs_gc_duration_seconds',
      ]),
    )
  })

  test('names the versions of the service and of Node.js once', async () => {
    const { origin } = await loaded('thedoctor')

    const { families, series } = await scrape(origin(), { authorization })

    const { version } = ownPackage
    expect(families.find(({ name }) => name === 'secret_bus_build_info')?.samples).toEqual([
      { name: 'secret_bus_build_info', labels: { version, node: process.versions.node }, value: 1 },
    ])
    const others = series.filter((one) => !one.startsWith('secret_bus_build_info'))
    for (const text of [version, process.versions.node]) expect(others.join()).not.toContain(text)
  })

  test('preserves code names with special characters', async () => {
    const names = ['"quoted"', 'two\nlines', 'back\\slash\\n', 'a="b",c="d"} 1', 'ünï 日本']
    const { origin } = await loaded(...names)

    const scraped = await scrape(origin(), { authorization })

    expect(Object.keys(scraped.values('secret_bus_secret_age_seconds'))).toEqual(names)
  })

  test('counts requests, calls, reads and fetches', async () => {
    const began = Date.now()
    const { bus, origin } = await loaded('thedoctor', 'river')
    const known = { headers: { authorization } }
    const unknown = { headers: { authorization: 'Bearer unknown' } }
    const requests: [string, RequestInit?][] = [
      ['/secret', known],
      ['/secret', known],
      ['/secret/river', { ...known, method: 'HEAD' }],
      ['/secret/themaster', known],
      ['/secret'],
      ['/secret/river', unknown],
      ['/metrics'],
      ['/nothing'],
      ['/nothing', known],
      ['/secret', { ...known, method: 'POST' }],
      ['/%zz', known],
      ['/health'],
      ['/ready'],
      ['/-/reload', { ...known, method: 'POST' }],
    ]
    for (const [path, init] of requests) await fetchReply(`${origin()}${path}`, init)
    const raw = await RawConnection.open(Number(new URL(origin()).port))
    raw.send('GET /secret HTTP/1.1')
    await raw.reply() // 400 because the Host header is missing
    raw.send('NO HTTP')
    await raw.reply()
    await scrape(origin(), known.headers)

    const scraped = await scrape(origin(), known.headers)

    expect(scraped.values('secret_bus_http_requests_total')).toEqual({
      '/secret 200': 2,
      '/secret 400': 1,
      '/secret/:codeName 200': 1,
      '/secret/:codeName 404': 1,
      '/secret 401': 1,
      '/secret/:codeName 401': 1,
      '/metrics 401': 1,
      'none 401': 1,
      'none 404': 1,
      'none 405': 1,
      'none 400': 1,
      '/health 200': 1,
      '/ready 200': 1,
      '/-/reload 200': 1,
      '/metrics 200': 1,
    })
    expect(scraped.values('secret_bus_http_request_duration_seconds_count')).toEqual({
      '/secret': 4,
      '/secret/:codeName': 3,
      '/metrics': 2,
      none: 4,
      '/health': 1,
      '/ready': 1,
      '/-/reload': 1,
    })
    expect(scraped.values('secret_bus_http_malformed_requests_total')).toEqual({ '': 1 })
    expect(scraped.values('secret_bus_calls_total')).toMatchObject({
      'secret.get secret-cache ok': 3,
      'secret.get secret-cache refused': 1,
      'secret.fetch dynamodb ok': 4,
      'lifecycle.graceful credentials ok': 1,
      'lifecycle.graceful secret-cache ok': 1,
    })
    expect(scraped.values('secret_bus_secret_reads_total')).toMatchObject({
      'thedoctor hit': 2,
      'thedoctor miss': 0,
      'river hit': 1,
      'river miss': 0,
    })
    expect(scraped.values('secret_bus_secret_fetches_total')).toMatchObject({ 'thedoctor ok': 2, 'river ok': 2 })
    const ages = Object.entries(scraped.values('secret_bus_secret_age_seconds'))
    expect(ages.map(([codeName]) => codeName)).toEqual(['thedoctor', 'river'])
    for (const [, age] of ages) expect(age).toBeLessThanOrEqual((Date.now() - began) / 1_000)
    expect(scraped.values('secret_bus_state')).toMatchObject({ [bus.state]: 1, STOPPED: 0 })
  })

  test('has no additional series for values chosen by clients', async () => {
    const { origin } = await loaded('thedoctor')
    const port = Number(new URL(origin()).port)
    const methods = METHODS.filter((method) => method !== 'CONNECT' && method !== 'HEAD') // their replies have no body
    const paths = ['/~', '/secret/~', '/health?~', '/%~']
    /** Sends one request per method and path, and a malformed one. */
    const send = async (madeUp: string, given = madeUp) => {
      const [connection, faulty] = [await RawConnection.open(port), await RawConnection.open(port)]
      const requests = methods.flatMap((method) =>
        paths.map((path) => `${method} ${path.replace('~', madeUp)} HTTP/1.1`),
      )
      const headers = [`host: ${madeUp}`, `x-request-id: ${madeUp}`, `${madeUp}: x`, `authorization: Bearer ${given}`]
      for (const request of requests) connection.send(request, ...headers)
      for (const _ of requests) await connection.reply()
      faulty.send(`${madeUp} / HTTP/1.1`)
      await faulty.reply()
      return requests.length
    }
    const series = async () => {
      const scraped = await scrape(origin(), { authorization })
      return scraped.series.filter((one) => one.startsWith('secret_bus_')).sort()
    }
    await send('made-up', token)
    await send('made-up')
    await series()
    const before = await series()

    let sent = 0
    for (let index = 0; index < 20; index += 1) sent += await send(`made-up-${index}`, index % 2 ? undefined : token)

    expect(sent).toBeGreaterThan(2_000)
    expect(await series()).toEqual(before)
    expect(before.join()).not.toMatch(/made-up/)
  })
})
