import { expect, onTestFinished, test } from 'vitest'
import { request } from '../../../src/bus/channel.ts'
import { lifecycle } from '../../../src/bus/process/lifecycle.ts'
import { ProcessBus } from '../../../src/bus/process/process-bus.ts'
import { watchBackgroundReads } from '../../../src/handlers/inspector/background-reads.ts'
import { BusTraffic } from '../../../src/handlers/inspector/traffic.ts'
import { SourceFailure } from '../../../src/secret.ts'
import { type CacheDefinition, cached } from '../../../src/sources/cache/cached.ts'

const ask = request<{ key: string }, string>('ask')
const answer = request<{ key: string }, { value: string }>('answer')

const definition: CacheDefinition<{ key: string }, string, { value: string }> = {
  ask,
  answer,
  key: ({ key }) => key,
  reply: (value) => ({ value }),
  policy: { ttl: Infinity },
  words: { one: 'colour', label: 'colour' },
}

/** Starts a cache of one value, whose source fails while `failing` is set. */
async function startCache() {
  const source = { failing: false }
  const bus = new ProcessBus()
  const traffic = new BusTraffic()
  bus.tap((activity, call) => traffic.add(activity, call))
  watchBackgroundReads(bus, traffic)
  bus.provide(ask, async ({ key }) => {
    if (source.failing) throw new SourceFailure('SOURCE_THROTTLED', 'classified')
    return key
  })
  bus.use('cache', cached({ ...definition, queries: [{ key: 'classified' }] }))
  await bus.start()
  onTestFinished(async () => void (await bus.exit()))
  const reads = (trigger: string) => traffic.since(0).filter((message) => message.trigger === trigger)
  await expect.poll(() => reads('load')).toHaveLength(1)
  const callsOf = (span: number | undefined) => traffic.since(0).filter(({ parent }) => parent === span)
  return { bus, source, traffic, reads, callsOf }
}

test('reports a background read with the call that it makes', async () => {
  const { traffic, reads, callsOf } = await startCache()

  const [load] = reads('load')
  expect(load).toMatchObject({ by: 'colour', channel: undefined, outcome: 'ok' })
  expect(traffic.since(0).find(({ span }) => span === load?.parent)?.channel).toBe('lifecycle.state')
  const [call, ...others] = callsOf(load?.span)
  expect(call).toMatchObject({ channel: 'ask', request: load?.request })
  expect(others).toEqual([])
  expect(JSON.stringify(traffic.since(0))).not.toContain('classified')
})

test('reports a failed reload with its code, between the listener that causes it and the call that it makes', async () => {
  const { bus, source, traffic, reads, callsOf } = await startCache()
  source.failing = true
  bus.subscribe(lifecycle.log, () => {})

  await bus.gracefulSettled()

  const [reload] = reads('reload')
  expect(reload).toMatchObject({ outcome: 'error', error: 'SOURCE_THROTTLED' })
  expect(callsOf(reload?.span)).toEqual([expect.objectContaining({ channel: 'ask', outcome: 'error' })])
  const listener = traffic.since(0).find(({ span }) => span === reload?.parent)
  expect(listener).toMatchObject({ channel: 'lifecycle.graceful', by: 'cache' })
  expect(JSON.stringify(traffic.since(0))).not.toContain('classified')
})

test('reports neither the reads of requests nor those after the process has stopped', async () => {
  const { bus, traffic, reads } = await startCache()
  const answerAny = request<{ key: string }, { value: string }>('answer-any')
  bus.use('open-cache', cached({ ...definition, answer: answerAny }))

  await bus.request(answerAny, { key: 'any' })
  await bus.exit()
  const { traffic: other } = await startCache()

  expect(other.since(0).some(({ trigger }) => trigger === 'load')).toBe(true)
  expect(reads('load')).toHaveLength(1)
  expect(traffic.since(0).filter(({ channel }) => channel === 'ask')).toHaveLength(2)
  expect(traffic.since(0).filter(({ trigger }) => trigger !== undefined)).toHaveLength(1)
})
