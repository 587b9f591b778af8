/** The trace of the caller (W3C Trace Context) in calls and log lines. */
import { describe, expect, test } from 'vitest'
import type { Call } from '../../src/bus/call.ts'
import { request } from '../../src/bus/channel.ts'
import type { Subscriber } from '../../src/bus/process/process-bus.ts'
import { getSecret, httpRoutes, secretAccessed } from '../../src/channels.ts'
import { callOf } from '../../src/handlers/trace-context.ts'
import { fetchReply } from '../support/http/http.ts'
import { type AssembledService, assembleService } from '../support/service/assemble-service.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const traceparent = `00-${traceId}-b7ad6b7169203331-01`
const headers = { traceparent, 'x-request-id': 'request-1' }

const getBird = request<void, string>('bird.get')
const getWorm = request<void, string>('worm.get')

/** A plugin whose provider logs, as plugins do, and then fails. */
const birds: Subscriber = (bus) => {
  const requestBird = bus.requester(getBird)
  bus.provide(getBird, async (_, { id }) => {
    await Promise.resolve()
    bus.log('warn', 'The bird has flown', { reqId: id })
    throw new Error('no bird')
  })
  bus.subscribe(httpRoutes, (app) => {
    app.get('/bird', async (request) => requestBird(undefined, { id: request.id }))
    app.get('/worm', async (request) => {
      bus.log('info', 'Digging', { reqId: request.id })
      return bus.request(getWorm, undefined, callOf(request))
    })
  })
}

const linesOf = ({ logged }: AssembledService, reqId: string) => logged().filter((line) => line['reqId'] === reqId)

async function start(environment: Record<string, string> = {}) {
  const service = await assembleService({ embedded: 'true', 'log-level': 'debug' }, environment)
  service.bus.use('birds', birds)
  await service.bus.start()
  return service
}

describe('a request with traceparent', () => {
  test('has its trace id in the audit line, and in the debug lines of its calls', async () => {
    const service = await start({ SECRET_BUS_AUTH_TOKEN: 'a-secret-token' })
    const { status } = await fetchReply(`${service.origin()}/secret`, {
      headers: { ...headers, authorization: 'Bearer a-secret-token' },
    })

    await expect.poll(() => linesOf(service, 'request-1').map(({ msg }) => msg)).toContain('Secret accessed')
    expect(status).toBe(200)
    const lines = linesOf(service, 'request-1')
    expect(lines.map((line) => line['trace_id'])).toEqual(lines.map(() => traceId))
    expect(lines.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(['clients handled client.identify', 'secret-cache handled secret.get', 'Secret accessed']),
    )
  })

  test('has its trace id in the lines of a plugin, and in that of a failure', async () => {
    const service = await start()

    expect((await fetchReply(`${service.origin()}/bird`, { headers })).status).toBe(500)

    const lines = linesOf(service, 'request-1').filter(({ channel }) => channel === undefined)
    expect(lines.map(({ msg, trace_id }) => [msg, trace_id])).toEqual([
      ['The bird has flown', traceId],
      ['Failed to handle GET: no bird', traceId],
    ])
  })

  test('passes its trace on with every call', async () => {
    const service = await start()
    const calls: [string, Call['trace']][] = []
    service.bus.intercept((call, next) => {
      if (call.id === 'request-1') calls.push([call.channel, call.trace])
      return next()
    })

    await fetchReply(`${service.origin()}/secret`, { headers: { ...headers, tracestate: 'vendor=1' } })

    await expect.poll(() => calls.map(([channel]) => channel)).toContain(secretAccessed.name)
    expect(calls[0]?.[0]).toBe(getSecret.name)
    const trace = { traceId, spanId: 'b7ad6b7169203331', flags: 1, state: 'vendor=1' }
    for (const [, received] of calls) expect(received).toEqual(trace)
  })

  test('has its trace id in lines that are logged after its end', async () => {
    const service = await start()
    const response = await fetchReply(`${service.origin()}/secret`, { headers })
    await expect.poll(() => linesOf(service, 'request-1').map(({ msg }) => msg)).toContain('Secret accessed')

    service.bus.log('warn', 'Late', { reqId: 'request-1' })

    expect(response.status).toBe(200)
    expect(linesOf(service, 'request-1').at(-1)).toMatchObject({ msg: 'Late', trace_id: traceId })
  })

  test('has its trace id in its lines, however many requests have begun since', async () => {
    const service = await start()
    const { promise: answer, resolve } = Promise.withResolvers<string>()
    service.bus.provide(getWorm, () => answer)
    const waiting = fetchReply(`${service.origin()}/worm`, { headers })
    await expect.poll(() => linesOf(service, 'request-1').map(({ msg }) => msg)).toContain('Digging')
    const others = Array.from({ length: 300 }, (_, index) => ({ traceparent, 'x-request-id': `other-${index}` }))
    await Promise.all(others.map((headers) => fetchReply(`${service.origin()}/health`, { headers })))

    service.bus.log('warn', 'Still digging', { reqId: 'request-1' })
    service.bus.log('warn', 'Long gone', { reqId: 'other-0' })
    resolve('worm')

    expect(linesOf(service, 'request-1').at(-1)).toMatchObject({ msg: 'Still digging', trace_id: traceId })
    expect(linesOf(service, 'other-0').at(-1)).not.toHaveProperty('trace_id')
    expect((await waiting).status).toBe(200)
  })
})

describe('a request without a valid traceparent', () => {
  test.for([
    ['without one', {}],
    ['with an invalid one', { traceparent: traceparent.toUpperCase() }],
  ] as const)('%s has no trace', async ([, sent]) => {
    const service = await start()

    await fetchReply(`${service.origin()}/secret`, { headers: { 'x-request-id': 'request-1', ...sent } })

    await expect.poll(() => linesOf(service, 'request-1').map(({ msg }) => msg)).toContain('Secret accessed')
    for (const line of linesOf(service, 'request-1')) expect(line).not.toHaveProperty('trace_id')
  })
})

test('callOf returns the id alone without a trace', () => {
  expect(callOf({ id: 'request-1' } as Parameters<typeof callOf>[0])).toEqual({ id: 'request-1' })
})
