import { describe, expect, test, vi } from 'vitest'
import { event, request } from '../../src/bus/channel.ts'
import type { Activity } from '../../src/bus/taps.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'

const greeting = event<string, string>('greeting')
const getAnswer = request<void, number>('answer.get')

describe('a tap', () => {
  test('is told of every listener and provider called, with the id of the call and how long it took', async () => {
    const { bus } = recordedBus()
    const activities: Activity[] = []
    bus.tap((activity) => activities.push(activity))
    bus.use('polite', (view) => view.subscribe(greeting, (name) => `hello ${name}`))
    bus.use('wise', (view) => view.provide(getAnswer, async () => 42))

    expect(await bus.publish(greeting, 'you', { id: 'call-1' })).toEqual(['hello you'])
    expect(await bus.request(getAnswer)).toBe(42)

    expect(activities).toEqual([
      { channel: 'greeting', by: 'polite', id: 'call-1', ms: expect.any(Number) },
      { channel: 'answer.get', by: 'wise', id: undefined, ms: expect.any(Number) },
    ])
  })

  test('is told what a call failed with, be it thrown, rejected or late', async () => {
    const { bus } = recordedBus()
    const errors: unknown[] = []
    bus.tap(({ error }) => errors.push(error))
    const thrown = new Error('thrown')
    const rejected = new Error('rejected')
    const outcomes = [() => Promise.reject(rejected), () => new Promise<never>(() => {})]
    const withdraw = bus.provide(getAnswer, () => {
      throw thrown
    })
    await bus.request(getAnswer).catch(() => {})
    withdraw()
    for (const outcome of outcomes) {
      const withdraw = bus.provide(getAnswer, outcome)
      await bus.request(getAnswer, undefined, { timeout: 1 }).catch(() => {})
      withdraw()
    }

    expect(errors).toEqual([thrown, rejected, expect.objectContaining({ code: 'BUS_REQUEST_TIMEOUT' })])
  })

  test('that throws harms neither the call nor other taps, and is logged', async () => {
    const { bus, messages } = recordedBus()
    const other = vi.fn()
    bus.tap(() => {
      throw new Error('broken')
    })
    bus.tap(other)
    bus.provide(getAnswer, () => 42)

    expect(await bus.request(getAnswer)).toBe(42)
    expect(other).toHaveBeenCalledTimes(1)
    expect(messages('error')).toEqual(['A tap on the bus failed: broken'])
  })

  test('that rejects is logged like one that throws', async () => {
    const { bus, messages } = recordedBus()
    bus.tap(() => Promise.reject(new Error('unreachable')))
    bus.provide(getAnswer, () => 42)
    await bus.request(getAnswer)
    await vi.waitFor(() => expect(messages('error')).toEqual(['A tap on the bus failed: unreachable']))
  })

  test('does not make a lazy answer be worked out twice', async () => {
    const { bus } = recordedBus()
    const work = vi.fn((resolve: (answer: number) => void) => resolve(42))
    // biome-ignore lint/suspicious/noThenProperty: queries of some database clients are such
    bus.provide(getAnswer, () => ({ then: work }) as unknown as Promise<number>)
    bus.tap(() => {})
    expect(await bus.request(getAnswer, undefined, { timeout: 60_000 })).toBe(42)
    expect(work).toHaveBeenCalledTimes(1)
  })

  test('is told nothing more once it is taken off', async () => {
    const { bus } = recordedBus()
    const observer = vi.fn()
    bus.provide(getAnswer, () => 42)
    bus.tap(observer)()
    await bus.request(getAnswer)
    expect(observer).not.toHaveBeenCalled()
  })
})
