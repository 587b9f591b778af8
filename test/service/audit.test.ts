import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Subscriber } from '../../src/bus/process/process-bus.ts'
import { checkHealth, getSecret } from '../../src/channels.ts'
import { auditTrail } from '../../src/handlers/audit-trail.ts'
import { loadShedding } from '../../src/handlers/guards/load-shedding.ts'
import { secretRoutes } from '../../src/handlers/routes/secret.ts'
import { defaultLimits } from '../../src/handlers/server/limits.ts'
import { SecretNotFound } from '../../src/secret.ts'
import { credentials } from '../support/dynamodb/dynamodb.ts'
import { type FaultyServer, respondWith, respondWithError, startFaultyServer } from '../support/http/faulty-server.ts'
import { fetchReply, RawConnection, type RawReply, startHttp } from '../support/http/http.ts'
import { metricValues } from '../support/metric-values.ts'
import { type AssembledService, assembleService } from '../support/service/assemble-service.ts'

const token = 'a-secret-token'
const hit = 'secret-bus; hit'
const miss = 'secret-bus; fwd=uri-miss'
const item = respondWith('{"Item":{"secret_code":{"S":"the secret of thedoctor"}}}')

beforeEach(() => {
  for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
})

afterEach(() => {
  vi.unstubAllEnvs()
})

type Settings = Parameters<typeof assembleService>

/** Starts the service and waits until its secrets are loaded from the embedded DynamoDB. */
async function loaded(flags: Settings[0] = {}, environment: Settings[1] = {}): Promise<AssembledService> {
  const service = await assembleService({ embedded: 'true', ...flags }, environment)
  await service.bus.start()
  const checks = async () => (await service.bus.publish(checkHealth)).map(({ status }) => status)
  await expect.poll(checks).not.toContain('fail')
  return service
}

/** Starts the service with a DynamoDB that does not respond until it is released. */
async function startHeld(flags: Settings[0] = {}) {
  const { promise: released, resolve: release } = Promise.withResolvers<FaultyServer['answer']>()
  const { endpoint, requests } = await startFaultyServer(async (request, response) =>
    (await released)(request, response),
  )
  const service = await assembleService({ 'dynamodb-endpoint': endpoint, 'fetch-timeout': '1m', ...flags })
  await service.bus.start()
  await expect.poll(() => requests.length).toBe(1) // the cache loads the secret
  const waiting = async () => (await metricValues(service.bus, 'secret_bus_secret_reads_total'))['thedoctor coalesced']
  return { ...service, waiting, release }
}

const portOf = ({ origin }: Pick<AssembledService, 'origin'>) => Number(new URL(origin()).port)

const accessesIn = ({ logged }: Pick<AssembledService, 'logged'>) =>
  logged().filter(({ msg }) => msg === 'Secret accessed')

/** The audit trail after the service has exited. */
async function audited(service: Pick<AssembledService, 'bus' | 'logged'>): Promise<object[]> {
  await service.bus.exit()
  return accessesIn(service).map(({ level, time: _time, pid: _pid, hostname: _host, msg: _msg, ...fields }) => {
    expect(level).toBe(30)
    return fields
  })
}

describe('one audit line is written', () => {
  test('for a cache hit, on either route, with GET and HEAD', async () => {
    const service = await loaded({ 'code-name': ['thedoctor', 'river'] })
    const replies: RawReply[] = []
    for (const path of ['/secret', '/secret/thedoctor', '/secret/river']) {
      for (const method of ['GET', 'HEAD']) replies.push(await fetchReply(`${service.origin()}${path}`, { method }))
    }

    const lines = await audited(service)

    const names = ['thedoctor', 'thedoctor', 'thedoctor', 'thedoctor', 'river', 'river']
    expect(lines).toEqual(
      names.map((codeName, index) => ({
        reqId: replies[index]?.headers['x-request-id'],
        address: '127.0.0.1',
        codeName,
        status: 200,
        cache: hit,
      })),
    )
  })

  test('for a cache miss', async () => {
    const service = await loaded({ 'cache-ttl': '0' })
    await fetchReply(`${service.origin()}/secret`)

    expect(await audited(service)).toMatchObject([{ codeName: 'thedoctor', status: 200, cache: miss }])
  })

  test('for a shared fetch', async () => {
    const service = await startHeld()
    const replies = [1, 2, 3].map(() => fetchReply(`${service.origin()}/secret`))
    await expect.poll(service.waiting).toBe(3)
    service.release(item)
    await Promise.all(replies)

    const lines = await audited(service)

    expect(lines).toMatchObject(Array(3).fill({ status: 200, cache: `${miss}; collapsed` }))
  })

  test('for a stale secret', async () => {
    const dynamodb = await startFaultyServer(item)
    const service = await loaded({
      'dynamodb-endpoint': dynamodb.endpoint,
      'cache-ttl': '1ms',
      'max-attempts': '1',
      embedded: 'false',
    })
    dynamodb.answer = respondWithError('ThrottlingException')
    await fetchReply(`${service.origin()}/secret`)

    expect(await audited(service)).toMatchObject([
      { status: 200, cache: expect.stringMatching(/^secret-bus; hit; ttl=-/) },
    ])
  })

  test('for an unknown name, which is logged unchanged', async () => {
    const service = await loaded()
    await fetchReply(`${service.origin()}/secret/the%20master`)
    await fetchReply(`${service.origin()}/secret/two%0Alines%22%2C%22status%22%3A200`)

    expect(await audited(service)).toMatchObject([
      { codeName: 'the master', status: 404, reason: 'Secret "the master" not found' },
      { codeName: 'two\nlines","status":200', status: 404 },
    ])
  })

  test.each<[number, FaultyServer['answer'], RegExp]>([
    [502, respondWithError('AccessDeniedException'), /AccessDeniedException/],
    [502, respondWith('the secret of thedoctor', 500), /invalid response/],
    [503, respondWithError('ThrottlingException'), /ThrottlingException/],
  ])('for a failure of the source: %i', async (status, answer, reason) => {
    const service = await startHeld({ 'max-attempts': '1' })
    const reply = fetchReply(`${service.origin()}/secret`)
    await expect.poll(service.waiting).toBe(1)
    service.release(answer)
    await reply

    expect(await audited(service)).toMatchObject([
      { codeName: 'thedoctor', status, reason: expect.stringMatching(reason) },
    ])
  })

  test('for a timeout of the source', async () => {
    const service = await startHeld({ 'fetch-timeout': '50ms' })
    await fetchReply(`${service.origin()}/secret`)

    expect(await audited(service)).toMatchObject([{ status: 504, reason: expect.stringContaining('50 ms') }])
  })

  test('for a client that disconnects before the response', async () => {
    const service = await startHeld({ 'trust-proxy': 'true' })
    const connection = await RawConnection.open(portOf(service))
    connection.send('GET /secret HTTP/1.1', 'host: x', 'x-request-id: gone-1', 'x-forwarded-for: 203.0.113.7')
    connection.send('GET /secret HTTP/1.1', 'host: x', 'x-request-id: gone-2')
    await expect.poll(service.waiting).toBe(2)
    connection.socket.resetAndDestroy()
    await expect.poll(() => accessesIn(service).length).toBe(2)

    service.release(item)
    await fetchReply(`${service.origin()}/secret`)

    expect(await audited(service)).toMatchObject([
      { reqId: 'gone-1', address: '203.0.113.7', codeName: 'thedoctor', status: 499 },
      { reqId: 'gone-2', address: '127.0.0.1', codeName: 'thedoctor', status: 499 },
      { status: 200 },
    ])
  })

  test('for a missing or unknown token', async () => {
    const service = await loaded({ 'log-level': 'trace' }, { SECRET_BUS_AUTH_TOKEN: token })
    const url = `${service.origin()}/secret/thedoctor`
    await fetchReply(url)
    await fetchReply(url, { headers: { authorization: 'Bearer made-up' } })
    await fetchReply(url, { headers: { authorization: `Basic ${token}` } })
    await fetchReply(url, { headers: { authorization: `Bearer ${token}` } })

    const lines = await audited(service)

    expect(lines).toMatchObject([
      { address: '127.0.0.1', codeName: 'thedoctor', status: 401, reason: 'Missing token' },
      { address: '127.0.0.1', codeName: 'thedoctor', status: 401, reason: 'Unknown token' },
      { address: '127.0.0.1', codeName: 'thedoctor', status: 401 },
      { address: '127.0.0.1', codeName: 'thedoctor', status: 200, cache: hit },
    ])
    expect(service.lines.join('')).not.toMatch(new RegExp(`${token}|made-up`))
  })

  test('for a missing Host header', async () => {
    const service = await loaded()
    const connection = await RawConnection.open(portOf(service))
    connection.send('GET /secret HTTP/1.1', 'x-request-id: odd-1')
    await connection.reply()

    expect(await audited(service)).toMatchObject([{ reqId: 'odd-1', address: '127.0.0.1', status: 400 }])
  })

  test('for an overloaded service', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    let received = 0
    const source: Subscriber = (bus) =>
      bus.provide(getSecret, async ({ codeName }) => {
        received += 1
        await released
        throw new SecretNotFound(codeName)
      })
    const { origin, records } = await startHttp({
      source,
      shedding: loadShedding({ ...defaultLimits, requests: 1 }),
      audit: auditTrail(),
      routes: secretRoutes({ codeNames: ['thedoctor'] }),
    })
    const first = fetchReply(`${origin}/secret`)
    await expect.poll(() => received).toBe(1)

    await fetchReply(`${origin}/secret/river`)
    release()
    await first

    const lines = () => records.filter(({ message }) => message === 'Secret accessed').map(({ fields }) => fields)
    await expect.poll(() => lines().length).toBe(2)
    expect(lines()).toMatchObject([
      { address: '127.0.0.1', codeName: 'river', status: 503, reason: 'Too many concurrent requests' },
      { address: '127.0.0.1', codeName: 'thedoctor', status: 404 },
    ])
  })

  test('without the value, even at log level trace', async () => {
    const service = await loaded({ 'log-level': 'trace' })
    await fetchReply(`${service.origin()}/secret`)

    expect(await audited(service)).toHaveLength(1)
    expect(service.lines.join('')).not.toContain('the secret of')
  })

  test('for each of 500 concurrent requests', async () => {
    const service = await loaded()
    const ids = Array.from({ length: 500 }, (_, index) => `request-${index}`)
    const connections = await Promise.all(Array.from({ length: 50 }, () => RawConnection.open(portOf(service))))

    for (const [index, id] of ids.entries()) {
      connections[index % 50]?.send('GET /secret HTTP/1.1', 'host: x', `x-request-id: ${id}`)
    }
    for (const index of ids.keys()) await connections[index % 50]?.reply()

    const reqIds = (await audited(service)).map((line) => ('reqId' in line ? line.reqId : line))
    expect(reqIds.sort()).toEqual(ids.sort())
  })

  test.each([
    ['false', '127.0.0.1'],
    ['true', '203.0.113.7'],
  ])('with the client address of the proxy only if the proxy is trusted: %s', async (trusted, address) => {
    const service = await loaded({ 'trust-proxy': trusted }, { SECRET_BUS_AUTH_TOKEN: token })
    const forwarded = { 'x-forwarded-for': '192.0.2.1, 203.0.113.7' }
    await fetchReply(`${service.origin()}/secret`, { headers: forwarded })
    await fetchReply(`${service.origin()}/secret`, { headers: { ...forwarded, authorization: `Bearer ${token}` } })

    expect(await audited(service)).toMatchObject([
      { status: 401, address },
      { status: 200, address },
    ])
  })
})

test('requests for other routes are not audited', async () => {
  const service = await loaded()
  for (const path of ['/health', '/ready', '/metrics', '/nothing', '/secrets'])
    await fetchReply(`${service.origin()}${path}`)
  await fetchReply(`${service.origin()}/secret`, { method: 'POST' })

  expect(await audited(service)).toEqual([])
})
