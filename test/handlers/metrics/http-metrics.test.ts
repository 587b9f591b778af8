import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../src/channels.ts'
import { loadShedding } from '../../../src/handlers/guards/load-shedding.ts'
import { metricsRoutes } from '../../../src/handlers/routes/metrics.ts'
import { defaultLimits } from '../../../src/handlers/server/limits.ts'
import { Exposition, scrape } from '../../support/exposition.ts'
import { certificateFiles, clientOf, newCertificate } from '../../support/http/certificate.ts'
import { fetchReply, RawConnection, startHttp } from '../../support/http/http.ts'

const requestsIn = (exposition: Exposition) => exposition.values('secret_bus_http_requests_total')

/** A route at `/held` that does not respond until it is released. */
function heldRoute() {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let count = 0
  const held: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => {
      app.get('/held', async () => {
        count += 1
        await released
        return {}
      })
    })
  return { held, release, received: () => count }
}

describe('HTTP metrics', () => {
  test('count requests rejected under load by route', async () => {
    const { held, release, received } = heldRoute()
    const shedding = loadShedding({ ...defaultLimits, requests: 1 })
    const { origin } = await startHttp({ metrics: metricsRoutes(), shedding, held })
    const first = fetchReply(`${origin}/held`)
    await expect.poll(received).toBe(1)
    await fetchReply(`${origin}/held`)
    await fetchReply(`${origin}/nothing`)
    release()
    await first

    expect(requestsIn(await scrape(origin))).toEqual({ '/held 503': 1, 'none 503': 1, '/held 200': 1 })
  })

  test('count all pipelined requests as 499 once the client disconnects', async () => {
    const { held, received } = heldRoute()
    const { origin, port } = await startHttp({ metrics: metricsRoutes(), held })
    const connection = await RawConnection.open(port)
    connection.send('GET /held HTTP/1.1', 'host: x', '', 'GET /held HTTP/1.1', 'host: x')
    await expect.poll(received).toBe(2)
    expect(requestsIn(await scrape(origin))).toEqual({})

    connection.socket.resetAndDestroy()

    await expect.poll(async () => requestsIn(await scrape(origin))['/held 499']).toBe(2)
  })

  test('count requests and scrapes while the server drains', async () => {
    const { bus, origin } = await startHttp({ metrics: metricsRoutes() }, { drain: 1_000 })
    const stopped = bus.stop()

    await fetchReply(`${origin}/nothing`)
    await scrape(origin)

    expect(requestsIn(await scrape(origin))).toEqual({ 'none 404': 1, '/metrics 200': 1 })
    await stopped
  })

  test('measure the time from the request head to the end of the response in seconds', async () => {
    const slow: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, (app) => {
        app.get('/slow', async () => setTimeout(60, {}))
      })
    const { origin } = await startHttp({ metrics: metricsRoutes(), slow })
    const began = performance.now()
    await fetchReply(`${origin}/slow`)
    await fetchReply(`${origin}/slow`)
    const seconds = (performance.now() - began) / 1_000

    const scraped = await scrape(origin)

    const { '/slow': sum } = scraped.values('secret_bus_http_request_duration_seconds_sum')
    expect(sum).toBeGreaterThan(0.11)
    expect(sum).toBeLessThan(seconds)
    expect(scraped.values('secret_bus_http_request_duration_seconds_bucket')).toMatchObject({
      '0.05 /slow': 0,
      '+Inf /slow': 2,
    })
  })

  test('count malformed requests once per connection', async () => {
    const { origin, port } = await startHttp({ metrics: metricsRoutes() })
    const malformed = async () => (await scrape(origin)).values('secret_bus_http_malformed_requests_total')['']
    expect(await malformed()).toBe(0)
    const connection = await RawConnection.open(port, { allowHalfOpen: true })
    connection.send('NO HTTP')
    await connection.reply()
    connection.send('STILL NO HTTP')
    const second = await RawConnection.open(port)
    second.send('GET / HTTP/1.1', `x: ${'x'.repeat(20_000)}`)
    await second.reply()

    expect(await malformed()).toBe(2)
  })

  test('count plain HTTP requests to an HTTPS server as malformed', async () => {
    const certificate = await newCertificate()
    const { options } = await certificateFiles(certificate)
    const { origin, port } = await startHttp({ metrics: metricsRoutes() }, options)
    const plain = await RawConnection.open(port)
    plain.send('GET /secret HTTP/1.1', 'host: x')
    await expect.poll(() => plain.ended).toBe(true)

    const { body } = await clientOf(origin, certificate)('/metrics')

    expect(new Exposition(body).values('secret_bus_http_malformed_requests_total')).toEqual({ '': 1 })
  })

  test('do not count a connection reset as malformed', async () => {
    let closed = 0
    const watching: Subscriber = (bus) =>
      bus.subscribe(httpRoutes, (app) => {
        app.server.on('connection', (socket) => {
          socket.once('close', () => {
            closed += 1
          })
        })
      })
    const { origin, port } = await startHttp({ metrics: metricsRoutes(), watching })
    const [fresh, used] = [await RawConnection.open(port), await RawConnection.open(port)]
    used.send('GET /nothing HTTP/1.1', 'host: x')
    await used.reply()

    fresh.socket.resetAndDestroy()
    used.socket.resetAndDestroy()

    await expect.poll(() => closed).toBe(2)
    expect((await scrape(origin)).values('secret_bus_http_malformed_requests_total')).toEqual({ '': 0 })
  })
})
