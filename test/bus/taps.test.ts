import { describe, expect, test, vi } from 'vitest'
import { event, request } from '../../src/bus/channel.ts'
import type { Activity } from '../../src/bus/taps.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'

const greeting = event<string, string>('greeting')
const getAnswer = request<void, number>('answer.get')

describe('a tap', () => {
  test('observes every call of a listener or provider, with its id and duration', async () => {
    const { bus } = recordedBus()
    const activities: Activity[] = []
    bus.tap((activity) => activities.push(activity))
    bus.use('polite', (view) => view.subscribe(greeting, (name) => `hello ${name}`))
    bus.use('oracle', (view) => view.provide(getAnswer, async () => 42))

    expect(await bus.publish(greeting, 'you', { id: 'call-1' })).toEqual(['hello you'])
    expect(await bus.request(getAnswer)).toBe(42)

    expect(activities).toEqual([
      { channel: 'greeting', by: 'polite', id: 'call-1', ms: expect.any(Number) },
      { channel: 'answer.get', by: 'oracle', id: undefined, ms: expect.any(Number) },
    ])
  })

  test('observes the error of a call that throws, rejects or times out', async () => {
    const { bus } = recordedBus()
    const errors: unknown[] = []
    bus.tap(({ error }) => errors.push(error))
    const thrown = new Error('thrown')
    const rejected = new Error('rejected')
    const outcomes = [() => Promise.reject(rejected), () => new Promise<never>(() => {})]
    const remove = bus.provide(getAnswer, () => {
      throw thrown
    })
    await bus.request(getAnswer).catch(() => {})
    remove()
    for (const outcome of outcomes) {
      const remove = bus.provide(getAnswer, outcome)
      await bus.request(getAnswer, undefined, { timeout: 1 }).catch(() => {})
      remove()
    }

    expect(errors).toEqual([thrown, rejected, expect.objectContaining({ code: 'BUS_REQUEST_TIMEOUT' })])
  })

  test('that throws is logged and affects neither the call nor other taps', async () => {
    const { bus, messages } = recordedBus()
    const other = vi.fn()
    bus.tap(() => {
      throw new Error('broken')
    })
    bus.tap(other)
    bus.provide(getAnswer, () => 42)

    expect(await bus.request(getAnswer)).toBe(42)
    expect(other).toHaveBeenCalledTimes(1)
    expect(messages('error')).toEqual(['Bus tap failed: broken'])
  })

  test('that rejects is logged like one that throws', async () => {
    const { bus, messages } = recordedBus()
    bus.tap(() => Promise.reject(new Error('unreachable')))
    bus.provide(getAnswer, () => 42)
    await bus.request(getAnswer)
    await vi.waitFor(() => expect(messages('error')).toEqual(['Bus tap failed: unreachable']))
  })

  test('does not start a lazy thenable twice', async () => {
    const { bus } = recordedBus()
    const work = vi.fn((resolve: (answer: number) => void) => resolve(42))
    // biome-ignore lint/suspicious/noThenProperty: some database clients return lazy thenables
    bus.provide(getAnswer, () => ({ then: work }) as unknown as Promise<number>)
    bus.tap(() => {})
    expect(await bus.request(getAnswer, undefined, { timeout: 60_000 })).toBe(42)
    expect(work).toHaveBeenCalledTimes(1)
  })

  test('observes nothing after its removal', async () => {
    const { bus } = recordedBus()
    const observer = vi.fn()
    bus.provide(getAnswer, () => 42)
    bus.tap(observer)()
    await bus.request(getAnswer)
    expect(observer).not.toHaveBeenCalled()
  })
})
