import { expect, test } from 'vitest'
import { event, request } from '../../../src/bus/channel.ts'
import { ListenerTimeout } from '../../../src/bus/errors.ts'
import { lifecycle, states } from '../../../src/bus/process/lifecycle.ts'
import type { ProcessBus, Subscriber } from '../../../src/bus/process/process-bus.ts'
import { collectMetrics } from '../../../src/channels.ts'
import { busMetrics } from '../../../src/handlers/metrics/bus-metrics.ts'
import { fakeProvider } from '../../../src/testing/fakes.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { collected } from '../../support/collected.ts'

const getAnswer = request<string, number>('answer.get', { timeout: 20 })
const askedFor = event<string>('asked.for')

function metered(subscribers: Record<string, Subscriber> = {}): ProcessBus {
  return recordedBus({ 'bus-metrics': busMetrics(), ...subscribers }).bus
}

const calls = (bus: ProcessBus) => collected(bus, 'secret_bus_calls_total')
const seconds = (bus: ProcessBus) => collected(bus, 'secret_bus_call_seconds_total')

test('requests are counted by channel, provider and outcome', async () => {
  const wise: Subscriber = (bus) =>
    bus.provide(getAnswer, (question) => {
      if (question === 'at once') return 42
      if (question === 'later') return Promise.resolve(42)
      if (question === 'never') return new Promise<number>(() => {})
      if (question === 'thrown') throw new Error('oops')
      return Promise.reject(undefined)
    })
  const bus = metered({ wise })
  const questions = ['at once', 'at once', 'later', 'never', 'thrown', 'rejected with nothing']

  await Promise.allSettled(questions.map((question) => bus.request(getAnswer, question)))

  expect(await calls(bus)).toEqual({
    'answer.get wise ok': 3,
    'answer.get wise timeout': 1,
    'answer.get wise error': 2,
  })
})

test('events are counted for each listener', async () => {
  const bus = metered({
    'first one': (bus) => bus.subscribe(askedFor, () => {}),
    second: (bus) =>
      bus.subscribe(askedFor, () => {
        throw new Error('oops')
      }),
    third: (bus) => bus.subscribe(askedFor, () => new Promise(() => {}), { timeout: 1 }),
  })

  for (const what of ['this', 'that']) await bus.publish(askedFor, what).catch(() => {})

  expect(await calls(bus)).toEqual({
    'asked.for first one ok': 2,
    'asked.for second error': 2,
    'asked.for third timeout': 2,
  })
})

test.each([
  ['none', undefined, 'error'],
  ['of its own', 'SOME_CODE', 'error'],
  ['of a call within it that took too long', new ListenerTimeout('x', 'y', 1).code, 'timeout'],
])('a failure whose code is %s counts as that', async (_, code, outcome) => {
  const bus = metered({
    wise: fakeProvider(getAnswer, () => Promise.reject(Object.assign(new Error('oops'), { code }))),
  })

  await bus.request(getAnswer, 'why').catch(() => {})

  expect(await calls(bus)).toEqual({ [`answer.get wise ${outcome}`]: 1 })
})

test('what nobody answers is no call', async () => {
  const bus = metered()

  await bus.request(getAnswer, 'why').catch(() => {})

  expect(await calls(bus)).toEqual({})
})

test('nothing that is asked is in a label', async () => {
  const bus = metered({ wise: fakeProvider(getAnswer, 42) })

  for (let index = 0; index < 1_000; index += 1) {
    await bus.request(getAnswer, `made-up-${index}`, { id: `made-up-${index}` })
  }

  expect(await calls(bus)).toEqual({ 'answer.get wise ok': 1_000 })
})

test('names that only differ in where a space stands are told apart', async () => {
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

test('calls are timed in seconds', async () => {
  const bus = metered({
    wise: fakeProvider(getAnswer, () => new Promise((resolve) => setTimeout(resolve, 10, 42))),
  })
  const began = performance.now()

  for (const question of ['what', 'why']) await bus.request(getAnswer, question, { timeout: 5_000 })

  const { 'answer.get wise ok': time } = await seconds(bus)
  expect(time).toBeGreaterThan(0.018)
  expect(time).toBeLessThanOrEqual((performance.now() - began) / 1_000)
})

test('the state of the process is the one with a 1', async () => {
  const seen: string[] = []
  const look: Subscriber = (bus) => {
    const see = async () => {
      const shown = await collected(bus, 'secret_bus_state')
      expect(Object.keys(shown)).toEqual(states)
      seen.push(...Object.entries(shown).flatMap(([state, value]) => (value === 1 ? [state] : [])))
    }
    for (const channel of [lifecycle.start, lifecycle.graceful, lifecycle.stop, lifecycle.exit]) {
      bus.subscribe(channel, see)
    }
  }
  const bus = metered({ look })

  await bus.start()
  await bus.graceful()
  await bus.exit()

  expect(seen).toEqual(['STARTING', 'STARTED', 'STOPPING', 'EXITING'])
})
