import { getEventListeners } from 'node:events'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Bus } from '../../src/bus/bus.ts'
import type { CallContext } from '../../src/bus/call.ts'
import { event, request } from '../../src/bus/channel.ts'
import { DuplicateChannel, DuplicateProvider, NoProvider, RequestTimeout } from '../../src/bus/errors.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'

const never = () => new Promise<never>(() => {})
const double = request<number, number>('double')

test.each([undefined, null, 'text', {}])('providing fails at once for %s', (value) => {
  const bus = new Bus()
  const channel = request('find')
  const provider = value as () => void // a mistake that only JavaScript permits
  const received = value === null ? 'null' : typeof value

  const message = `provider of find must be a function, received ${received}`
  expect(() => bus.provide(channel, provider)).toThrow(new TypeError(message))
  expect(bus.topology()).toEqual([])
})

describe('providing', () => {
  test('rejects a second provider and names both', () => {
    const bus = new Bus()
    bus.use('first', (view) => view.provide(double, (n) => 2 * n))

    const second = () => bus.use('second', (view) => view.provide(double, (n) => n + n))

    expect(second).toThrow(DuplicateProvider)
    expect(second).toThrow('second cannot provide double: first already does')
  })

  test('accepts another provider after the first is removed', async () => {
    const bus = new Bus()
    const remove = bus.provide(double, () => 1)
    remove()
    remove()
    bus.provide(double, () => 2)
    expect(await bus.request(double, 0)).toBe(2)
  })

  test('completes pending requests with the provider that received them', async () => {
    const bus = new Bus()
    const release = Promise.withResolvers<number>()
    const remove = bus.provide(double, () => release.promise)
    const pending = bus.request(double, 0)

    remove()
    bus.provide(double, () => 2)
    release.resolve(1)

    expect(await pending).toBe(1)
  })
})

describe('requesting', () => {
  test('rejects without a provider, names the channel and the requester, and never throws', async () => {
    const { bus } = recordedBus()
    const replies: Promise<number>[] = []
    bus.use('calculator', (view) => replies.push(view.request(double, 1)))
    replies.push(bus.request(double, 1))

    await expect(replies[0]).rejects.toThrow(NoProvider)
    await expect(replies[0]).rejects.toThrow('No provider for channel double (required by calculator)')
    await expect(replies[1]).rejects.toThrow('No provider for channel double (required by the caller)')
  })

  test('rejects a second channel object with the same name', async () => {
    const bus = new Bus()
    bus.provide(double, (n) => 2 * n)
    const other = request<number, number>('double')
    expect(() => bus.provide(other, (n) => n)).toThrow(DuplicateChannel)
    expect(() => bus.requester(other)).toThrow(DuplicateChannel)
    await expect(bus.request(other, 1)).rejects.toThrow(DuplicateChannel)
  })

  test("rejects with the provider's own error object, thrown or rejected", async () => {
    const bus = new Bus()
    const error = { code: 'CUSTOM' }
    const remove = bus.provide(double, () => {
      throw error
    })
    await expect(bus.request(double, 1)).rejects.toBe(error)
    remove()
    bus.provide(double, () => Promise.reject(error))
    await expect(bus.request(double, 1)).rejects.toBe(error)
  })

  test('accepts a plain value, a promise or another thenable from a provider', async () => {
    const bus = new Bus()
    const promise = Promise.resolve(2)
    // biome-ignore lint/suspicious/noThenProperty: the test needs a thenable
    const thenable: PromiseLike<number> = { then: (...handlers) => promise.then(...handlers) }
    for (const reply of [2, promise, thenable]) {
      const remove = bus.provide(double, () => reply)
      expect(await bus.request(double, 1)).toBe(2)
      expect(await bus.request(double, 1, { timeout: 10_000 })).toBe(2)
      remove()
    }
  })

  test('provides requester and publisher functions that request and publish', async () => {
    const bus = new Bus()
    const greeting = event<string, string>('greeting')
    bus.provide(double, (n, { id }) => (id === 'call-1' ? 2 * n : 0))
    bus.subscribe(greeting, (name, { id }) => `${name} ${id}`)

    expect(await bus.requester(double)(2, { id: 'call-1' })).toBe(4)
    expect(await bus.publisher(greeting)('hello', { id: 'call-1' })).toEqual(['hello call-1'])
  })
})

describe('the time limits of a request', () => {
  test("prefers the call's timeout over the channel's", async () => {
    const bus = new Bus()
    const slow = request<void, string>('slow', { timeout: 1 })
    const release = Promise.withResolvers<string>()
    bus.provide(slow, () => release.promise, { name: 'slow-provider' })

    const unlimited = bus.request(slow, undefined, { timeout: Infinity })
    const error = await bus.request(slow).catch((error) => error)
    release.resolve('done')

    expect(error).toBeInstanceOf(RequestTimeout)
    expect(error).toMatchObject({
      code: 'BUS_REQUEST_TIMEOUT',
      message: 'slow-provider did not answer slow within 1 ms',
    })
    expect(await unlimited).toBe('done')
  })

  test('never exceeds the inherited deadline, which it passes on', async () => {
    const bus = new Bus()
    const inner = request<void, never>('inner', { timeout: 60_000 })
    const outer = request<void, never>('outer', { timeout: 5 })
    const deadlines: number[] = []
    bus.provide(inner, (_, call) => {
      deadlines.push(call.deadline)
      return never()
    })
    bus.provide(outer, (_, call) => {
      deadlines.push(call.deadline)
      return bus.request(inner, undefined, call)
    })

    await expect(bus.request(outer)).rejects.toThrow(RequestTimeout)
    expect(deadlines[1]).toBe(deadlines[0])
  })

  test('sets the deadline when the request is made, not when it is first read', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_000 })
    onTestFinished(() => void vi.useRealTimers())
    const bus = new Bus()
    bus.provide(double, async (_, call) => {
      await Promise.resolve()
      vi.setSystemTime(2_000)
      return call.deadline
    })
    expect(await bus.request(double, 1, { timeout: 60_000 })).toBe(61_000)
  })

  test('rejects a deadline that is not a number', async () => {
    const bus = new Bus()
    bus.provide(double, (n) => 2 * n)
    await expect(bus.request(double, 1, { deadline: Number.NaN })).rejects.toThrow(RangeError)
  })

  test('does not call the provider after the deadline', async () => {
    const bus = new Bus()
    const provider = vi.fn(() => 2)
    bus.provide(double, provider)
    await expect(bus.request(double, 1, { deadline: Date.now() - 1 })).rejects.toThrow(RequestTimeout)
    expect(provider).not.toHaveBeenCalled()
  })

  test("aborts the provider's signal on a timeout with the error that the caller receives", async () => {
    const bus = new Bus()
    const calls: CallContext[] = []
    bus.provide(double, (_, call) => {
      calls.push(call)
      return never()
    })

    const error = await bus.request(double, 1, { timeout: 1 }).catch((error) => error)

    expect(calls[0]?.signal).toMatchObject({ aborted: true, reason: error })
  })

  test("rejects immediately with the reason of the caller's signal when it aborts", async () => {
    const bus = new Bus()
    const controller = new AbortController()
    const aborted = vi.fn()
    bus.provide(double, (_, { signal }) => {
      signal.addEventListener('abort', () => aborted(signal.reason))
      return never()
    })

    const answer = bus.request(double, 1, { signal: controller.signal })
    controller.abort('cancelled')

    await expect(answer).rejects.toBe('cancelled')
    expect(aborted).toHaveBeenCalledExactlyOnceWith('cancelled')
  })

  test('propagates an abort through a chain of requests that pass their call on', async () => {
    const bus = new Bus()
    const inner = request<void, never>('inner')
    const outer = request<void, never>('outer')
    const controller = new AbortController()
    const innermost = vi.fn()
    bus.provide(inner, (_, { signal }) => {
      signal.addEventListener('abort', () => innermost(signal.reason))
      return never()
    })
    bus.provide(outer, (_, call) => bus.request(inner, undefined, call))

    const answer = bus.request(outer, undefined, { signal: controller.signal })
    controller.abort('stop')

    await expect(answer).rejects.toBe('stop')
    expect(innermost).toHaveBeenCalledExactlyOnceWith('stop')
  })

  test('does not wait for a provider that synchronously aborts the signal of the caller', async () => {
    const bus = new Bus()
    const controller = new AbortController()
    bus.provide(double, () => {
      controller.abort('from within')
      return never()
    })
    await expect(bus.request(double, 1, { signal: controller.signal })).rejects.toBe('from within')
  })

  test('does not call the provider if the signal has already aborted', async () => {
    const bus = new Bus()
    const provider = vi.fn(() => 2)
    bus.provide(double, provider)
    await expect(bus.request(double, 1, { signal: AbortSignal.abort('before') })).rejects.toBe('before')
    expect(provider).not.toHaveBeenCalled()
  })

  test('does not call the provider with a call that has ended, even if its signal was never read', async () => {
    const bus = new Bus()
    const provider = vi.fn(() => 2)
    const slow = request<void, never>('slow')
    const calls: CallContext[] = []
    bus.provide(double, provider)
    bus.provide(slow, (_, call) => {
      calls.push(call)
      return never()
    })
    const error = await bus.request(slow, undefined, { timeout: 1 }).catch((error) => error)

    await expect(bus.request(double, 1, calls[0])).rejects.toBe(error)
    expect(provider).not.toHaveBeenCalled()
  })

  test('always passes a signal and a deadline to the provider', async () => {
    const bus = new Bus()
    const calls: CallContext[] = []
    bus.provide(double, (n, call) => {
      calls.push(call)
      return n
    })
    await bus.request(double, 1)
    await bus.request(double, 1, { timeout: 60_000 })

    expect(calls[0]?.deadline).toBe(Infinity)
    expect(calls[0]?.signal.aborted).toBe(false)
    expect(calls[1]?.deadline).toBeLessThanOrEqual(Date.now() + 60_000)
    expect(calls[1]?.deadline).toBeGreaterThan(Date.now())
  })

  test('creates neither a timer nor a signal for a synchronous provider', async () => {
    const bus = new Bus()
    const timer = vi.spyOn(globalThis, 'setTimeout')
    const controller = vi.spyOn(globalThis, 'AbortController')
    bus.provide(double, (n) => 2 * n)

    await bus.request(double, 1, { timeout: 1_000, deadline: Date.now() + 1_000 })

    expect(timer).not.toHaveBeenCalled()
    expect(controller).not.toHaveBeenCalled()
    vi.restoreAllMocks()
  })

  test('treats a timeout longer than the longest timer as unlimited', async () => {
    const bus = new Bus()
    bus.provide(double, async (n) => 2 * n)
    expect(await bus.request(double, 1, { timeout: 2 ** 31 })).toBe(2)
  })

  test('rejects an invalid timeout', async () => {
    const bus = new Bus()
    bus.provide(double, (n) => 2 * n)
    expect(() => request('bad', { timeout: -1 })).toThrow(RangeError)
    await expect(bus.request(double, 1, { timeout: Number.NaN })).rejects.toThrow(RangeError)
  })

  test('leaves no timers or abort listeners after 100,000 requests that succeed, fail, time out or abort', async () => {
    const bus = new Bus()
    const lasting = new AbortController().signal
    const fail = request<void, never>('fail')
    const hang = request<void, never>('hang')
    const follow = request<void, never>('follow')
    bus.provide(double, async (n) => 2 * n)
    bus.provide(fail, () => Promise.reject(new Error('no')))
    bus.provide(hang, never)
    bus.provide(follow, (_, call) => bus.request(hang, undefined, call))
    const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
    const before = timers()

    const fulfilled: unknown[] = []
    const rejected: unknown[] = []
    for (let round = 0; round < 250; round += 1) {
      const controller = new AbortController()
      const { signal } = controller
      const requests = Array.from({ length: 100 }, (_, n) => [
        bus.request(double, n, { signal: lasting, timeout: 60_000 }).then((reply) => fulfilled.push(reply)),
        bus.request(fail, undefined, { signal: lasting, timeout: 60_000 }).catch(() => rejected.push('failed')),
        bus.request(hang, undefined, { signal: lasting, timeout: 1 }).catch(() => rejected.push('timed out')),
        bus.request(follow, undefined, { signal, timeout: 60_000 }).catch((reason) => rejected.push(reason)),
      ])
      controller.abort('aborted')
      await Promise.all(requests.flat())
      expect(getEventListeners(signal, 'abort')).toEqual([])
    }

    expect(fulfilled).toHaveLength(25_000)
    for (const expected of ['failed', 'timed out', 'aborted']) {
      expect(rejected.filter((reason) => reason === expected)).toHaveLength(25_000)
    }
    expect(getEventListeners(lasting, 'abort')).toEqual([])
    expect(timers()).toBeLessThan(before + 10) // the test runner uses a varying number of timers
  })
})
