import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { InterceptedCall } from '../../src/bus/call.ts'
import { event, request } from '../../src/bus/channel.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'

const greeting = event<string, string>('greeting')
const getAnswer = request<void, number>('answer.get')

const trace = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', flags: 1 }

describe('an interceptor', () => {
  test('runs around every listener and provider, in the order of installation', async () => {
    const { bus } = recordedBus()
    const steps: string[] = []
    for (const name of ['outer', 'inner'])
      bus.intercept(({ kind, channel, handler, id }, next) => {
        steps.push(`${name}: ${kind} ${channel} by ${handler} for ${id}`)
        return next()
      })
    bus.use('polite', (view) => view.subscribe(greeting, (name) => `hello ${name}`))
    bus.use('oracle', (view) => view.provide(getAnswer, async () => 42))

    expect(await bus.publish(greeting, 'you', { id: 'call-1' })).toEqual(['hello you'])
    expect(await bus.request(getAnswer)).toBe(42)

    expect(steps).toEqual([
      'outer: event greeting by polite for call-1',
      'inner: event greeting by polite for call-1',
      'outer: request answer.get by oracle for undefined',
      'inner: request answer.get by oracle for undefined',
    ])
  })

  test('receives neither the payload nor the query', async () => {
    const { bus } = recordedBus()
    const seen: InterceptedCall[] = []
    bus.intercept((call, next) => {
      seen.push(call)
      return next()
    })
    bus.subscribe(greeting, () => '')

    await bus.publish(greeting, 'sentinel')

    const [call] = seen
    const names = [
      ...Object.keys(call ?? {}),
      ...Object.keys(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(call))),
    ]
    for (const name of names) expect(call?.[name as 'id']).not.toBe('sentinel')
    expect(names).toContain('handler')
  })

  test('sees synchronous answers synchronously', async () => {
    const { bus } = recordedBus()
    const answers: unknown[] = []
    bus.intercept((_call, next) => {
      const answer = next()
      answers.push(answer)
      return answer
    })
    bus.provide(getAnswer, () => 42)

    const answer = bus.request(getAnswer)

    expect(answers).toEqual([42])
    expect(await answer).toBe(42)
  })

  test('that throws fails this call alone', async () => {
    const { bus } = recordedBus()
    const broken = new Error('broken')
    bus.intercept(({ handler }, next) => {
      if (handler === 'first') throw broken
      return next()
    })
    bus.use('first', (view) => view.subscribe(greeting, () => 'first'))
    bus.use('second', (view) => view.subscribe(greeting, () => 'second'))

    const outcomes = await bus.publishSettled(greeting, '')

    expect(outcomes).toEqual([
      { handler: 'first', status: 'rejected', reason: broken },
      { handler: 'second', status: 'fulfilled', value: 'second' },
    ])
  })

  test('may replace the answer, and call again', async () => {
    const { bus } = recordedBus()
    const failures = [new Error('one'), new Error('two')]
    bus.intercept(async (_call, next) => {
      for (;;)
        try {
          return await next()
        } catch {}
    })
    bus.provide(getAnswer, async () => {
      const failure = failures.pop()
      if (failure) throw failure
      return 42
    })

    expect(await bus.request(getAnswer)).toBe(42)
  })

  test.for(['before the call', 'after the call'])(
    'that never settles %s does not outlast the time limit',
    async (when) => {
      const { bus } = recordedBus()
      bus.intercept(async (_call, next) => {
        if (when === 'after the call') await next()
        return new Promise(() => {})
      })
      bus.provide(getAnswer, async () => 42)

      await expect(bus.request(getAnswer, undefined, { timeout: 5 })).rejects.toThrow(
        'did not answer answer.get within 5 ms',
      )
    },
  )

  test('that repeats a call does not extend its time limit', async () => {
    const { bus } = recordedBus()
    let [attempts, ended] = [0, false]
    bus.intercept(async (_call, next) => {
      while (!ended) {
        await turn()
        try {
          return await next()
        } catch {}
      }
      return undefined
    })
    bus.provide(getAnswer, async () => {
      attempts += 1
      throw new Error('unavailable')
    })

    await expect(bus.request(getAnswer, undefined, { timeout: 20 })).rejects.toThrow('within 20 ms')

    const made = attempts
    for (let count = 0; count < 10; count += 1) await turn()
    ended = true
    expect([made > 1, attempts]).toEqual([true, made])
  })

  test('sees the timeout of the call', async () => {
    const { bus } = recordedBus()
    const seen: unknown[] = []
    bus.intercept(async (_call, next) => {
      try {
        return await next()
      } catch (error) {
        seen.push(error)
        return -1
      }
    })
    bus.provide(getAnswer, () => new Promise<number>(() => {}))

    expect(await bus.request(getAnswer, undefined, { timeout: 5 })).toBe(-1)
    expect(seen).toEqual([expect.objectContaining({ code: 'BUS_REQUEST_TIMEOUT' })])
  })

  test('sees the call that makes a nested one, and its trace', async () => {
    const { bus } = recordedBus()
    const calls: InterceptedCall[] = []
    bus.intercept((call, next) => {
      calls.push(call)
      return next()
    })
    const [outer, inner] = [request<void, number>('outer'), request<void, number>('inner')]
    bus.provide(outer, (_, call) => bus.request(inner, undefined, call))
    bus.provide(inner, () => bus.request(getAnswer)) // without the call context
    bus.provide(getAnswer, () => 42)

    await bus.request(outer, undefined, { trace })

    expect(calls.map(({ channel, parent }) => [channel, parent?.channel])).toEqual([
      ['outer', undefined],
      ['inner', 'outer'],
      ['answer.get', 'inner'],
    ])
    expect(calls.map((call) => call.trace)).toEqual([trace, trace, trace])
  })

  test('is removed by the returned function, once', async () => {
    const { bus } = recordedBus()
    let calls = 0
    const interceptor = (_call: InterceptedCall, next: () => unknown) => {
      calls += 1
      return next()
    }
    const remove = bus.intercept(interceptor)
    bus.intercept(interceptor)
    bus.provide(getAnswer, () => 42)

    await bus.request(getAnswer)
    remove()
    remove()
    await bus.request(getAnswer)

    expect(calls).toBe(3)
  })

  test('must be a function', () => {
    const { bus } = recordedBus()

    expect(() => bus.intercept('no' as never)).toThrow('interceptor must be a function, received string')
  })
})
