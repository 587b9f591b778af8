import { getEventListeners } from 'node:events'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Bus } from '../../src/bus/bus.ts'
import type { CallContext } from '../../src/bus/call.ts'
import { event, request } from '../../src/bus/channel.ts'
import { DuplicateChannel, DuplicateProvider, NoProvider, RequestTimeout } from '../../src/bus/errors.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'

const never = () => new Promise<never>(() => {})
const double = request<number, number>('double')

describe('providing', () => {
  test('a second provider is refused at once, naming both', () => {
    const bus = new Bus()
    bus.use('first', (view) => view.provide(double, (n) => 2 * n))

    const second = () => bus.use('second', (view) => view.provide(double, (n) => n + n))

    expect(second).toThrow(DuplicateProvider)
    expect(second).toThrow('second cannot provide double: first does already')
  })

  test('after the first is withdrawn another may provide', async () => {
    const bus = new Bus()
    const withdraw = bus.provide(double, () => 1)
    withdraw()
    withdraw()
    bus.provide(double, () => 2)
    expect(await bus.request(double, 0)).toBe(2)
  })

  test('pending requests finish with the provider they began with', async () => {
    const bus = new Bus()
    const release = Promise.withResolvers<number>()
    const withdraw = bus.provide(double, () => release.promise)
    const pending = bus.request(double, 0)

    withdraw()
    bus.provide(double, () => 2)
    release.resolve(1)

    expect(await pending).toBe(1)
  })
})

describe('requesting', () => {
  test('without a provider it rejects, naming the channel and who asked, and never throws', async () => {
    const { bus } = recordedBus()
    const answers: Promise<number>[] = []
    bus.use('curious', (view) => answers.push(view.request(double, 1)))
    answers.push(bus.request(double, 1))

    await expect(answers[0]).rejects.toThrow(NoProvider)
    await expect(answers[0]).rejects.toThrow('nobody provides double, which curious asks for')
    await expect(answers[1]).rejects.toThrow('nobody provides double, which the caller asks for')
  })

  test('a second channel object of a known name is refused', async () => {
    const bus = new Bus()
    bus.provide(double, (n) => 2 * n)
    const other = request<number, number>('double')
    expect(() => bus.provide(other, (n) => n)).toThrow(DuplicateChannel)
    expect(() => bus.requester(other)).toThrow(DuplicateChannel)
    await expect(bus.request(other, 1)).rejects.toThrow(DuplicateChannel)
  })

  test("the provider's error reaches the caller as the same object, thrown or rejected", async () => {
    const bus = new Bus()
    const error = { code: 'MINE' }
    const withdraw = bus.provide(double, () => {
      throw error
    })
    await expect(bus.request(double, 1)).rejects.toBe(error)
    withdraw()
    bus.provide(double, () => Promise.reject(error))
    await expect(bus.request(double, 1)).rejects.toBe(error)
  })

  test('a provider may answer at once, with a promise, or with anything that can be awaited like one', async () => {
    const bus = new Bus()
    const promise = Promise.resolve(2)
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
    const thenable: PromiseLike<number> = { then: (...handlers) => promise.then(...handlers) }
    for (const reply of [2, promise, thenable]) {
      const withdraw = bus.provide(double, () => reply)
      expect(await bus.request(double, 1)).toBe(2)
      expect(await bus.request(double, 1, { timeout: 10_000 })).toBe(2)
      withdraw()
    }
  })

  test('a requester and a publisher do what the bus does', async () => {
    const bus = new Bus()
    const greeting = event<string, string>('greeting')
    bus.provide(double, (n, { id }) => (id === 'call-1' ? 2 * n : 0))
    bus.subscribe(greeting, (name, { id }) => `${name} ${id}`)

    expect(await bus.requester(double)(2, { id: 'call-1' })).toBe(4)
    expect(await bus.publisher(greeting)('hello', { id: 'call-1' })).toEqual(['hello call-1'])
  })
})

describe('the time of a request', () => {
  test("the call's timeout goes before the channel's", async () => {
    const bus = new Bus()
    const slow = request<void, string>('slow', { timeout: 1 })
    const release = Promise.withResolvers<string>()
    bus.provide(slow, () => release.promise, { name: 'sleeper' })

    const patient = bus.request(slow, undefined, { timeout: Infinity })
    const error = await bus.request(slow).catch((error) => error)
    release.resolve('at last')

    expect(error).toBeInstanceOf(RequestTimeout)
    expect(error).toMatchObject({
      code: 'BUS_REQUEST_TIMEOUT',
      message: 'sleeper did not answer slow within 1 ms',
    })
    expect(await patient).toBe('at last')
  })

  test('it never goes beyond the inherited deadline, which is handed on', async () => {
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

  test('the deadline counts from the request, whenever somebody looks', async () => {
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

  test('a deadline that is none is refused', async () => {
    const bus = new Bus()
    bus.provide(double, (n) => 2 * n)
    await expect(bus.request(double, 1, { deadline: Number.NaN })).rejects.toThrow(RangeError)
  })

  test('when the deadline has passed already, the provider is not called', async () => {
    const bus = new Bus()
    const provider = vi.fn(() => 2)
    bus.provide(double, provider)
    await expect(bus.request(double, 1, { deadline: Date.now() - 1 })).rejects.toThrow(RequestTimeout)
    expect(provider).not.toHaveBeenCalled()
  })

  test("when the time is over the provider's signal aborts with what the caller is told", async () => {
    const bus = new Bus()
    const handed: CallContext[] = []
    bus.provide(double, (_, call) => {
      handed.push(call)
      return never()
    })

    const error = await bus.request(double, 1, { timeout: 1 }).catch((error) => error)

    expect(handed[0]?.signal).toMatchObject({ aborted: true, reason: error })
  })

  test("when the caller's signal aborts, the caller is rejected at once with its own reason", async () => {
    const bus = new Bus()
    const controller = new AbortController()
    const aborted = vi.fn()
    bus.provide(double, (_, { signal }) => {
      signal.addEventListener('abort', () => aborted(signal.reason))
      return never()
    })

    const answer = bus.request(double, 1, { signal: controller.signal })
    controller.abort('changed my mind')

    await expect(answer).rejects.toBe('changed my mind')
    expect(aborted).toHaveBeenCalledExactlyOnceWith('changed my mind')
  })

  test('an abort goes through a chain of requests that pass their call on', async () => {
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

  test('a provider that aborts its caller while it is called is not waited for', async () => {
    const bus = new Bus()
    const controller = new AbortController()
    bus.provide(double, () => {
      controller.abort('from within')
      return never()
    })
    await expect(bus.request(double, 1, { signal: controller.signal })).rejects.toBe('from within')
  })

  test('with a signal that has aborted already, the provider is not called', async () => {
    const bus = new Bus()
    const provider = vi.fn(() => 2)
    bus.provide(double, provider)
    await expect(bus.request(double, 1, { signal: AbortSignal.abort('before') })).rejects.toBe('before')
    expect(provider).not.toHaveBeenCalled()
  })

  test('a call handed on after its end calls nobody, though nobody ever looked at its signal', async () => {
    const bus = new Bus()
    const provider = vi.fn(() => 2)
    const slow = request<void, never>('slow')
    const handed: CallContext[] = []
    bus.provide(double, provider)
    bus.provide(slow, (_, call) => {
      handed.push(call)
      return never()
    })
    const error = await bus.request(slow, undefined, { timeout: 1 }).catch((error) => error)

    await expect(bus.request(double, 1, handed[0])).rejects.toBe(error)
    expect(provider).not.toHaveBeenCalled()
  })

  test('a provider always has a signal and a deadline', async () => {
    const bus = new Bus()
    const handed: CallContext[] = []
    bus.provide(double, (n, call) => {
      handed.push(call)
      return n
    })
    await bus.request(double, 1)
    await bus.request(double, 1, { timeout: 60_000 })

    expect(handed[0]?.deadline).toBe(Infinity)
    expect(handed[0]?.signal.aborted).toBe(false)
    expect(handed[1]?.deadline).toBeLessThanOrEqual(Date.now() + 60_000)
    expect(handed[1]?.deadline).toBeGreaterThan(Date.now())
  })

  test('a provider that answers without a promise costs no timer and no signal', async () => {
    const bus = new Bus()
    const timer = vi.spyOn(globalThis, 'setTimeout')
    const controller = vi.spyOn(globalThis, 'AbortController')
    bus.provide(double, (n) => 2 * n)

    await bus.request(double, 1, { timeout: 1_000, deadline: Date.now() + 1_000 })

    expect(timer).not.toHaveBeenCalled()
    expect(controller).not.toHaveBeenCalled()
    vi.restoreAllMocks()
  })

  test('a timeout that no timer can hold is no limit', async () => {
    const bus = new Bus()
    bus.provide(double, async (n) => 2 * n)
    expect(await bus.request(double, 1, { timeout: 2 ** 31 })).toBe(2)
  })

  test('a timeout that is none is refused', async () => {
    const bus = new Bus()
    bus.provide(double, (n) => 2 * n)
    expect(() => request('bad', { timeout: -1 })).toThrow(RangeError)
    await expect(bus.request(double, 1, { timeout: Number.NaN })).rejects.toThrow(RangeError)
  })

  test('nothing is left behind by 100,000 requests that succeed, fail, time out or abort', async () => {
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
      const asked = Array.from({ length: 100 }, (_, n) => [
        bus.request(double, n, { signal: lasting, timeout: 60_000 }).then((reply) => fulfilled.push(reply)),
        bus.request(fail, undefined, { signal: lasting, timeout: 60_000 }).catch(() => rejected.push('failed')),
        bus.request(hang, undefined, { signal: lasting, timeout: 1 }).catch(() => rejected.push('timed out')),
        bus.request(follow, undefined, { signal, timeout: 60_000 }).catch((reason) => rejected.push(reason)),
      ])
      controller.abort('aborted')
      await Promise.all(asked.flat())
      expect(getEventListeners(signal, 'abort')).toEqual([])
    }

    expect(fulfilled).toHaveLength(25_000)
    for (const how of ['failed', 'timed out', 'aborted']) {
      expect(rejected.filter((reason) => reason === how)).toHaveLength(25_000)
    }
    expect(getEventListeners(lasting, 'abort')).toEqual([])
    expect(timers()).toBeLessThan(before + 10) // the test runner has some of its own, which come and go
  })
})
