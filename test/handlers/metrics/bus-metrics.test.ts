import { expect, test } from 'vitest'
import { event, request } from '../../../src/bus/channel.ts'
import { ListenerTimeout } from '../../../src/bus/errors.ts'
import { lifecycle, states } from '../../../src/bus/process/lifecycle.ts'
import type { ProcessBus, Subscriber } from '../../../src/bus/process/process-bus.ts'
import { collectMetrics } from '../../../src/channels.ts'
import { busMetrics } from '../../../src/handlers/metrics/bus-metrics.ts'
import { fakeProvider } from '../../../src/testing/fakes.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { metricValues } from '../../support/metric-values.ts'

const getAnswer = request<string, number>('answer.get', { timeout: 20 })
const questionAsked = event<string>('question.asked')

function metered(subscribers: Record<string, Subscriber> = {}): ProcessBus {
  return recordedBus({ 'bus-metrics': busMetrics(), ...subscribers }).bus
}

const calls = (bus: ProcessBus) => metricValues(bus, 'secret_bus_calls_total')
const seconds = (bus: ProcessBus) => metricValues(bus, 'secret_bus_call_seconds_total')

test('counts requests by channel, provider and outcome', async () => {
  const wise: Subscriber = (bus) =>
    bus.provide(getAnswer, (question) => {
      if (question === 'sync') return 42
      if (question === 'async') return Promise.resolve(42)
      if (question === 'never') return new Promise<number>(() => {})
      if (question === 'thrown') throw new Error('oops')
      return Promise.reject(undefined)
    })
  const bus = metered({ wise })
  const questions = ['sync', 'sync', 'async', 'never', 'thrown', 'rejected with undefined']

  await Promise.allSettled(questions.map((question) => bus.request(getAnswer, question)))

  expect(await calls(bus)).toEqual({
    'answer.get wise ok': 3,
    'answer.get wise timeout': 1,
    'answer.get wise error': 2,
  })
})

test('counts events per listener', async () => {
  const bus = metered({
    'first one': (bus) => bus.subscribe(questionAsked, () => {}),
    second: (bus) =>
      bus.subscribe(questionAsked, () => {
        throw new Error('oops')
      }),
    third: (bus) => bus.subscribe(questionAsked, () => new Promise(() => {}), { timeout: 1 }),
  })

  for (const question of ['what', 'why']) await bus.publish(questionAsked, question).catch(() => {})

  expect(await calls(bus)).toEqual({
    'question.asked first one ok': 2,
    'question.asked second error': 2,
    'question.asked third timeout': 2,
  })
})

test.each([
  ['without a code', undefined, 'error'],
  ['with another code', 'SOME_CODE', 'error'],
  ['caused by the timeout of a nested call', new ListenerTimeout('x', 'y', 1).code, 'timeout'],
])('counts a failure %s by its code', async (_, code, outcome) => {
  const bus = metered({
    wise: fakeProvider(getAnswer, () => Promise.reject(Object.assign(new Error('oops'), { code }))),
  })

  await bus.request(getAnswer, 'why').catch(() => {})

  expect(await calls(bus)).toEqual({ [`answer.get wise ${outcome}`]: 1 })
})

test('does not count requests without a provider', async () => {
  const bus = metered()

  await bus.request(getAnswer, 'why').catch(() => {})

  expect(await calls(bus)).toEqual({})
})

test('does not use payloads or ids as labels', async () => {
  const bus = metered({ wise: fakeProvider(getAnswer, 42) })

  for (let index = 0; index < 1_000; index += 1) {
    await bus.request(getAnswer, `made-up-${index}`, { id: `made-up-${index}` })
  }

  expect(await calls(bus)).toEqual({ 'answer.get wise ok': 1_000 })
})

test('distinguishes names that differ only in the position of a space', async () => {
  const [short, long] = [event('a'), event('a b')]
  const bus = metered({
    'b c': (bus) => bus.subscribe(short, () => {}),
    c: (bus) => bus.subscribe(long, () => {}),
  })

  await bus.publish(short)
  await bus.publish(long)

  const [metric] = (await bus.publish(collectMetrics)).flat()
  expect(metric?.values).toEqual([
    { labels: { channel: 'a', by: 'b c', outcome: 'ok' }, value: 1 },
    { labels: { channel: 'a b', by: 'c', outcome: 'ok' }, value: 1 },
  ])
})

test('measures durations in seconds', async () => {
  const bus = metered({
    wise: fakeProvider(getAnswer, () => new Promise((resolve) => setTimeout(resolve, 10, 42))),
  })
  const began = performance.now()

  for (const question of ['what', 'why']) await bus.request(getAnswer, question, { timeout: 5_000 })

  const { 'answer.get wise ok': time } = await seconds(bus)
  expect(time).toBeGreaterThan(0.018)
  expect(time).toBeLessThanOrEqual((performance.now() - began) / 1_000)
})

test('marks the current state of the process with 1', async () => {
  const seen: string[] = []
  const observer: Subscriber = (bus) => {
    const recordState = async () => {
      const values = await metricValues(bus, 'secret_bus_state')
      expect(Object.keys(values)).toEqual(states)
      seen.push(...Object.entries(values).flatMap(([state, value]) => (value === 1 ? [state] : [])))
    }
    for (const channel of [lifecycle.start, lifecycle.graceful, lifecycle.stop, lifecycle.exit]) {
      bus.subscribe(channel, recordState)
    }
  }
  const bus = metered({ observer })

  await bus.start()
  await bus.graceful()
  await bus.exit()

  expect(seen).toEqual(['STARTING', 'STARTED', 'STOPPING', 'EXITING'])
})
