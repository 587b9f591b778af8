import { pbkdf2Sync } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { defaultLimits } from '../../../src/handlers/server/limits.ts'
import { parseProblem, RawConnection, type RawReply } from '../../support/http/http.ts'
import { metricValues } from '../../support/metric-values.ts'
import {
  expectRecovery,
  get,
  type LimitedService,
  startLimitedService,
  statusOnNewConnection,
} from '../../support/service/limited-service.ts'

/** Opens connections concurrently. */
function openMany(count: number, { port }: LimitedService): Promise<RawConnection[]> {
  return Promise.all(Array.from({ length: count }, () => RawConnection.open(port)))
}

const open = ({ port }: LimitedService) => RawConnection.open(port)

function closeAll(connections: readonly RawConnection[]): void {
  for (const { socket } of connections) socket.destroy()
}

async function ask(connection: RawConnection, path: string): Promise<RawReply> {
  connection.send(...get(path))
  return connection.reply()
}

/** Requests the path on every connection and counts the responses by status. */
async function statusesOf(connections: readonly RawConnection[], path: string): Promise<Record<number, number>> {
  const replies = await Promise.all(connections.map((connection) => ask(connection, path)))
  const grouped = Object.groupBy(replies, ({ status }) => status)
  return Object.fromEntries(Object.entries(grouped).map(([status, group]) => [status, group?.length ?? 0]))
}

/** Fails unless the reply is a 503 problem with `Retry-After`. */
function expectOverloaded(reply: RawReply): void {
  expect(parseProblem(reply)).toMatchObject({ status: 503, type: 'urn:secret-bus:problem:overloaded' })
  expect(reply.headers['retry-after']).toMatch(/^[1-9]\d*$/)
}

/** The limit on open files and sockets of this process. */
function openFilesLimit(): number {
  // `getReport` is declared to return `object`.
  const { userLimits } = process.report.getReport() as unknown as { userLimits: { open_files: { soft: unknown } } }
  const { soft } = userLimits.open_files
  return soft === 'unlimited' ? Infinity : Number(soft)
}

describe('connections', () => {
  test('are limited to 2,000 by default; the next one gets 503 with Retry-After', async () => {
    // Both ends of each connection are in this process.
    expect(openFilesLimit(), 'The limit on open files is too low: run `ulimit -n 5000`').toBeGreaterThan(4_500)
    const service = await startLimitedService({ eventLoopDelay: defaultLimits.eventLoopDelay })
    const served: RawConnection[] = []
    while (served.length < 2_000) {
      const batch = await openMany(250, service)
      for (const connection of batch) connection.send(...get('/secret/slow'))
      served.push(...batch)
      await expect.poll(() => service.executed).toHaveLength(served.length)
    }
    service.release()
    for (const connection of served) expect((await connection.reply()).status).toBe(200)
    const surplus = await RawConnection.open(service.port)

    expect(await ask(surplus, '/health')).toMatchObject({ status: 200, headers: { connection: 'keep-alive' } })
    expect(await ask(surplus, '/ready')).toMatchObject({ status: 200, headers: { connection: 'keep-alive' } })
    const refusal = await ask(surplus, '/secret')

    expectOverloaded(refusal)
    expect(refusal.headers).toMatchObject({ connection: 'close' })
    await expect.poll(() => surplus.ended).toBe(true)
    expect(await statusesOf(served.slice(-100), '/secret')).toEqual({ 200: 100 })
    closeAll(served)
    await expectRecovery(service)
  }, 60_000)

  test('above the limit are served one by one as others close', async () => {
    const service = await startLimitedService({ connections: 2 })
    const served = await openMany(2, service)
    const surplus = await openMany(3, service)
    expect(await statusesOf(served, '/secret')).toEqual({ 200: 2 })
    expect(await statusesOf(surplus, '/health')).toEqual({ 200: 3 })

    closeAll(served.slice(1))
    await expect.poll(service.connections).toBe(4)

    expect(await statusesOf(surplus, '/secret')).toEqual({ 200: 1, 503: 2 })
    expect(await statusesOf(served.slice(0, 1), '/secret')).toEqual({ 200: 1 })
    closeAll([...served, ...surplus])
    await expectRecovery(service)
  })

  test('do not count towards the limit while they are idle or use only public routes', async () => {
    const service = await startLimitedService({ connections: 2 })
    const silent = await openMany(5, service)
    const probing = await openMany(5, service)
    expect(await statusesOf(probing, '/health')).toEqual({ 200: 5 })

    const asked = await openMany(2, service)

    expect(await statusesOf(asked, '/secret')).toEqual({ 200: 2 })
    closeAll([...silent, ...probing, ...asked])
    await expectRecovery(service)
  })

  test('above the limit of open connections are closed without a response until others close', async () => {
    const service = await startLimitedService({ openConnections: 3 })
    const open = await openMany(3, service)
    expect(await statusesOf(open, '/secret')).toEqual({ 200: 3 })

    const refused = await openMany(5, service)

    for (const connection of refused) await expect(connection.reply()).rejects.toThrow('The connection ended after ""')
    expect(await statusesOf(open, '/secret')).toEqual({ 200: 3 })
    closeAll(open.slice(1))
    await expect.poll(service.connections).toBe(1)
    expect(await statusOnNewConnection(service)).toBe(200)
    closeAll(open)
    await expectRecovery(service)
  })
})

describe('the metric', () => {
  test('counts rejected requests by reason, from 0', async () => {
    const service = await startLimitedService({ requests: 1, connections: 2 })
    const shed = () => metricValues(service.bus, 'secret_bus_http_requests_shed_total')
    expect(await shed()).toEqual({ connections: 0, event_loop_delay: 0, requests: 0, unread_replies: 0 })
    const [busy, other, surplus] = [await open(service), await open(service), await open(service)]

    busy.send(...get('/secret/slow'))
    await expect.poll(() => service.executed).toHaveLength(1)
    expectOverloaded(await ask(other, '/secret'))
    service.release()
    expect(await busy.reply()).toMatchObject({ status: 200 })
    expect(await ask(other, '/secret')).toMatchObject({ status: 200 })
    expectOverloaded(await ask(surplus, '/secret'))

    expect(await shed()).toEqual({ connections: 1, event_loop_delay: 0, requests: 1, unread_replies: 0 })
  })
})

describe('requests', () => {
  test('above the limit of concurrent requests get 503, pipelined or not', async () => {
    const service = await startLimitedService({ requests: 3 })
    const pipelined = await RawConnection.open(service.port)
    const slow = get('/secret/slow', '')
    pipelined.send(...slow, ...slow, ...slow, ...slow, ...get('/health', ''), ...get('/secret'))
    await expect.poll(() => service.executed).toHaveLength(3)
    const other = await RawConnection.open(service.port)

    expectOverloaded(await ask(other, '/secret'))
    expect(await ask(other, '/health')).toMatchObject({ status: 200 })
    service.release()

    for (const _ of [1, 2, 3])
      expect(await pipelined.reply()).toMatchObject({ status: 200, body: '{"secret_code":"x"}' })
    expectOverloaded(await pipelined.reply())
    expect(await pipelined.reply()).toMatchObject({ status: 200, body: expect.stringContaining('healthy') })
    expectOverloaded(await pipelined.reply())
    expect(await ask(other, '/secret')).toMatchObject({ status: 200 })
    expect(await ask(pipelined, '/secret')).toMatchObject({ status: 200 })
    closeAll([pipelined, other])
    await expectRecovery(service)
  })

  test('that are rejected or use public routes do not count towards the limit while their pipelined responses wait', async () => {
    const service = await startLimitedService({ requests: 2 })
    const [one, pipelined] = [await RawConnection.open(service.port), await RawConnection.open(service.port)]
    one.send(...get('/secret/slow'))
    await expect.poll(() => service.executed).toHaveLength(1)
    pipelined.send(...get('/secret/slow', ''), ...get('/secret', ''), ...get('/secret', ''), ...get('/health'))
    await expect.poll(() => service.executed).toHaveLength(2)
    expect(await statusOnNewConnection(service)).toBe(503)

    closeAll([one])
    await expect.poll(service.connections).toBe(1)

    expect(await statusOnNewConnection(service)).toBe(200)
    closeAll([pipelined])
    await expectRecovery(service)
  })

  test('stop counting towards the limit when the client disconnects', async () => {
    const service = await startLimitedService({ requests: 3 })
    const pipelined = await RawConnection.open(service.port)
    const slow = get('/secret/slow', '')
    pipelined.send(...slow, ...slow, ...get('/secret/slow'))
    await expect.poll(() => service.executed).toHaveLength(3)
    expect(await statusOnNewConnection(service)).toBe(503)

    pipelined.socket.resetAndDestroy()

    await expectRecovery(service)
  })
})

describe('a high event loop delay', () => {
  /** Blocks the event loop for 300 ms at a time and returns the function that stops it. */
  function blockEventLoop(): () => void {
    let blocking = true
    const work = () => {
      const until = performance.now() + 300
      while (performance.now() < until) pbkdf2Sync('x', 'y', 500, 32, 'sha256')
      if (blocking) setImmediate(work)
    }
    work()
    const stop = () => {
      blocking = false
    }
    onTestFinished(stop)
    return stop
  }

  test('rejects requests, except on public routes, until the delay is low again', async () => {
    const service = await startLimitedService({ eventLoopDelay: 60 })
    expect(await statusOnNewConnection(service)).toBe(200)

    const stop = blockEventLoop()

    await expect.poll(() => statusOnNewConnection(service), { timeout: 10_000 }).toBe(503)
    const [asked, probing] = [await RawConnection.open(service.port), await RawConnection.open(service.port)]
    expectOverloaded(await ask(asked, '/secret'))
    expect(await ask(probing, '/health')).toMatchObject({ status: 200 })
    expect(await ask(probing, '/ready')).toMatchObject({ status: 200 })
    stop()
    await expect.poll(() => statusOnNewConnection(service), { timeout: 10_000 }).toBe(200)
    closeAll([asked, probing])
    await expectRecovery(service)
  })
})
