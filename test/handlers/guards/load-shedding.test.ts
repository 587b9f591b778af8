import { pbkdf2Sync } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { defaultLimits } from '../../../src/handlers/server/limits.ts'
import { problemIn, RawConnection, type RawReply } from '../../support/http/http.ts'
import {
  type AttackedService,
  expectRecovery,
  get,
  startAttacked,
  statusOfVisit,
} from '../../support/service/attacked-service.ts'

/** So many connections, opened at once. */
function openMany(count: number, { port }: AttackedService): Promise<RawConnection[]> {
  return Promise.all(Array.from({ length: count }, () => RawConnection.open(port)))
}

function closeAll(connections: readonly RawConnection[]): void {
  for (const { socket } of connections) socket.destroy()
}

async function asking(connection: RawConnection, path: string): Promise<RawReply> {
  connection.send(...get(path))
  return connection.reply()
}

/** How many replies there were of each status. */
async function statusesOf(connections: readonly RawConnection[], path: string): Promise<Record<number, number>> {
  const replies = await Promise.all(connections.map((connection) => asking(connection, path)))
  const grouped = Object.groupBy(replies, ({ status }) => status)
  return Object.fromEntries(Object.entries(grouped).map(([status, some]) => [status, some?.length ?? 0]))
}

/** Fails unless the client is told to come again. */
function expectOverloaded(reply: RawReply): void {
  expect(problemIn(reply)).toMatchObject({ status: 503, type: 'urn:secret-bus:problem:overloaded' })
  expect(reply.headers['retry-after']).toMatch(/^[1-9]\d*$/)
}

/** How many files and sockets this process may have open. */
function openFilesLimit(): number {
  const { userLimits } = process.report.getReport() as unknown as { userLimits: { open_files: { soft: unknown } } } // untyped
  const { soft } = userLimits.open_files
  return soft === 'unlimited' ? Infinity : Number(soft)
}

describe('connections', () => {
  test('are served by default, 2,000 at a time, and the one beyond them is told to come again later', async () => {
    expect(openFilesLimit(), 'Too few files may be open: `ulimit -n 5000`').toBeGreaterThan(4_500) // both ends are ours
    const service = await startAttacked({ eventLoopDelay: defaultLimits.eventLoopDelay })
    const served: RawConnection[] = []
    while (served.length < 2_000) {
      const more = await openMany(250, service)
      for (const connection of more) connection.send(...get('/secret/slow'))
      served.push(...more)
      await expect.poll(() => service.asked).toHaveLength(served.length)
    }
    service.letGo()
    for (const connection of served) expect((await connection.reply()).status).toBe(200)
    const surplus = await RawConnection.open(service.port)

    expect(await asking(surplus, '/health')).toMatchObject({ status: 200, headers: { connection: 'keep-alive' } })
    expect(await asking(surplus, '/ready')).toMatchObject({ status: 200, headers: { connection: 'keep-alive' } })
    const refusal = await asking(surplus, '/secret')

    expectOverloaded(refusal)
    expect(refusal.headers).toMatchObject({ connection: 'close' })
    await expect.poll(() => surplus.ended).toBe(true)
    expect(await statusesOf(served.slice(-100), '/secret')).toEqual({ 200: 100 })
    closeAll(served)
    await expectRecovery(service)
  }, 60_000)

  test('beyond those that are served get a place when one of them leaves, and no more than that', async () => {
    const service = await startAttacked({ connections: 2 })
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

  test('take nobody else the place as long as they ask for nothing that is not open to all', async () => {
    const service = await startAttacked({ connections: 2 })
    const silent = await openMany(5, service)
    const probing = await openMany(5, service)
    expect(await statusesOf(probing, '/health')).toEqual({ 200: 5 })

    const asked = await openMany(2, service)

    expect(await statusesOf(asked, '/secret')).toEqual({ 200: 2 })
    closeAll([...silent, ...probing, ...asked])
    await expectRecovery(service)
  })

  test('beyond those that may be open are closed without a word, until some of them leave', async () => {
    const service = await startAttacked({ openConnections: 3 })
    const open = await openMany(3, service)
    expect(await statusesOf(open, '/secret')).toEqual({ 200: 3 })

    const refused = await openMany(5, service)

    for (const connection of refused) await expect(connection.reply()).rejects.toThrow('the connection ended after ""')
    expect(await statusesOf(open, '/secret')).toEqual({ 200: 3 })
    closeAll(open.slice(1))
    await expect.poll(service.connections).toBe(1)
    expect(await statusOfVisit(service)).toBe(200)
    closeAll(open)
    await expectRecovery(service)
  })
})

describe('requests', () => {
  test('beyond those that are answered at a time are told to come again later, by whichever way they come', async () => {
    const service = await startAttacked({ requests: 3 })
    const pipelined = await RawConnection.open(service.port)
    const slow = get('/secret/slow', '')
    pipelined.send(...slow, ...slow, ...slow, ...slow, ...get('/health', ''), ...get('/secret'))
    await expect.poll(() => service.asked).toHaveLength(3)
    const other = await RawConnection.open(service.port)

    expectOverloaded(await asking(other, '/secret'))
    expect(await asking(other, '/health')).toMatchObject({ status: 200 })
    service.letGo()

    for (const _ of [1, 2, 3])
      expect(await pipelined.reply()).toMatchObject({ status: 200, body: '{"secret_code":"x"}' })
    expectOverloaded(await pipelined.reply())
    expect(await pipelined.reply()).toMatchObject({ status: 200, body: expect.stringContaining('healthy') })
    expectOverloaded(await pipelined.reply())
    expect(await asking(other, '/secret')).toMatchObject({ status: 200 })
    expect(await asking(pipelined, '/secret')).toMatchObject({ status: 200 })
    closeAll([pipelined, other])
    await expectRecovery(service)
  })

  test('that were refused, or are open to all, keep nobody out while their replies wait for their turn', async () => {
    const service = await startAttacked({ requests: 2 })
    const [one, pipelined] = [await RawConnection.open(service.port), await RawConnection.open(service.port)]
    one.send(...get('/secret/slow'))
    await expect.poll(() => service.asked).toHaveLength(1)
    pipelined.send(...get('/secret/slow', ''), ...get('/secret', ''), ...get('/secret', ''), ...get('/health'))
    await expect.poll(() => service.asked).toHaveLength(2)
    expect(await statusOfVisit(service)).toBe(503)

    closeAll([one])
    await expect.poll(service.connections).toBe(1)

    expect(await statusOfVisit(service)).toBe(200)
    closeAll([pipelined])
    await expectRecovery(service)
  })

  test('of a client that leaves before they are answered are forgotten', async () => {
    const service = await startAttacked({ requests: 3 })
    const pipelined = await RawConnection.open(service.port)
    const slow = get('/secret/slow', '')
    pipelined.send(...slow, ...slow, ...get('/secret/slow'))
    await expect.poll(() => service.asked).toHaveLength(3)
    expect(await statusOfVisit(service)).toBe(503)

    pipelined.socket.resetAndDestroy()

    await expectRecovery(service)
  })
})

describe('a late event loop', () => {
  /** Does nothing but work, a seventh of a second at a time, until told to stop. */
  function drown(): () => void {
    let drowning = true
    const work = () => {
      const until = performance.now() + 150
      while (performance.now() < until) pbkdf2Sync('x', 'y', 500, 32, 'sha256')
      if (drowning) setImmediate(work)
    }
    work()
    const stop = () => {
      drowning = false
    }
    onTestFinished(stop)
    return stop
  }

  test('refuses requests but those open to all, and serves again once it is in time', async () => {
    const service = await startAttacked({ eventLoopDelay: 60 })
    expect(await statusOfVisit(service)).toBe(200)

    const stop = drown()

    await expect.poll(() => statusOfVisit(service), { timeout: 10_000 }).toBe(503)
    const [asked, probing] = [await RawConnection.open(service.port), await RawConnection.open(service.port)]
    expectOverloaded(await asking(asked, '/secret'))
    expect(await asking(probing, '/health')).toMatchObject({ status: 200 })
    expect(await asking(probing, '/ready')).toMatchObject({ status: 200 })
    stop()
    await expect.poll(() => statusOfVisit(service), { timeout: 10_000 }).toBe(200)
    closeAll([asked, probing])
    await expectRecovery(service)
  })
})
