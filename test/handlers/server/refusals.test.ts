/** Which errors of a call on the bus count as refused: those whose response is a 4xx. */
import { expect, test } from 'vitest'
import { request } from '../../../src/bus/channel.ts'
import { ChannelFailures } from '../../../src/bus/errors.ts'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { declareProblems, getSecret, httpRoutes } from '../../../src/channels.ts'
import { busMetrics } from '../../../src/handlers/metrics/bus-metrics.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import { RequestError } from '../../../src/handlers/server/request-error.ts'
import { SecretNotFound, SourceFailure } from '../../../src/secret.ts'
import { fakeProvider } from '../../../src/testing/fakes.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { fetchReply, startHttp } from '../../support/http/http.ts'
import { metricValues } from '../../support/metric-values.ts'

const ask = request<unknown, never>('answer.get')

/** Throws what it is asked for, behind a server with declared problem types. */
const subscribers = () => {
  const answers: Subscriber = (bus) => {
    bus.subscribe(declareProblems, () => ({
      SOLD_OUT: { status: 409, title: 'Sold out', detail: 'The item is sold out.' },
      SHOP_CLOSED: { status: 503, title: 'Closed', detail: 'The shop is closed.' },
    }))
    bus.provide(ask, (thrown) => {
      throw thrown
    })
    bus.subscribe(httpRoutes, (app) => {
      const problems = { NO_ITEM: { status: 404, title: 'No item', detail: 'The item does not exist.' } }
      app.get('/items', { config: { problems } }, async () => ({}))
    })
  }
  return { 'bus-metrics': busMetrics(), answers }
}

const error = (properties: object) => Object.assign(new Error('x'), properties)

test.each<[string, unknown, 'refused' | 'error' | 'timeout']>([
  ['a request error with 4xx', new RequestError(404, 'No.'), 'refused'],
  ['a request error with 5xx', new RequestError(503, 'Later.'), 'error'],
  ['an error with statusCode 413', error({ statusCode: 413 }), 'refused'],
  ['a rejected credential', error({ code: 'UNAUTHORIZED' }), 'refused'],
  ['a missing right', error({ code: 'FORBIDDEN' }), 'refused'],
  ['an exceeded rate', error({ code: 'RATE_LIMITED' }), 'refused'],
  ['a declared 4xx', error({ code: 'SOLD_OUT' }), 'refused'],
  ['a declared 4xx of a route', error({ code: 'NO_ITEM' }), 'refused'],
  ['a declared 5xx', error({ code: 'SHOP_CLOSED' }), 'error'],
  ['an undeclared code', error({ code: 'OTHER' }), 'error'],
  ['a missing secret that no route serves', new SecretNotFound('x'), 'error'],
  ['a source that was refused itself', new SourceFailure('SOURCE_REFUSED', 'x', { status: 403 }), 'error'],
  ['a response of another service', error({ statusCode: 404, response: { statusCode: 404 } }), 'error'],
  ['several failures', new ChannelFailures('x', [{ listener: 'y', error: new RequestError(404, 'No.') }], []), 'error'],
  ['a timeout with a status', error({ code: 'BUS_REQUEST_TIMEOUT', statusCode: 408 }), 'timeout'],
  ['undefined', undefined, 'error'],
])('%s', async (_, thrown, outcome) => {
  const { bus } = await startHttp(subscribers())

  await bus.request(ask, thrown).catch(() => {})

  expect(await metricValues(bus, 'secret_bus_calls_total')).toMatchObject({ [`answer.get answers ${outcome}`]: 1 })
})

test('before the server starts, only declarations of the server itself and statuses count', async () => {
  const { bus } = recordedBus(subscribers())
  const thrown = [new RequestError(404, 'No.'), error({ code: 'FORBIDDEN' }), error({ code: 'SOLD_OUT' })]

  for (const value of thrown) await bus.request(ask, value).catch(() => {})

  expect(await metricValues(bus, 'secret_bus_calls_total')).toMatchObject({
    'answer.get answers refused': 2,
    'answer.get answers error': 1,
  })
})

test('a secret that does not exist is refused where a route serves secrets', async () => {
  const { bus, origin } = await startHttp({
    'bus-metrics': busMetrics(),
    source: fakeProvider(getSecret, ({ codeName }) => Promise.reject(new SecretNotFound(codeName))),
    routes: secretRoutes({ codeNames: ['thedoctor'] }),
  })

  expect((await fetchReply(`${origin}/secret/unknown`)).status).toBe(404)

  expect(await metricValues(bus, 'secret_bus_calls_total')).toMatchObject({ 'secret.get source refused': 1 })
})
