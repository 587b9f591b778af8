import { describe, expect, expectTypeOf, test, vi } from 'vitest'
import { singleFlight } from '../../../src/bus/process/single-flight.ts'

/** A wrapped function whose calls end on demand. */
function controlled() {
  const calls: PromiseWithResolvers<string>[] = []
  const task = vi.fn((_id: string) => {
    const call = Promise.withResolvers<string>()
    calls.push(call)
    return call.promise
  })
  return { task, calls, load: singleFlight(task) }
}

describe('singleFlight', () => {
  test('shares one call with the arguments of the first caller', async () => {
    const { load, task, calls } = controlled()
    const results = Promise.all([load('first'), load('second')])

    calls[0]?.resolve('value')

    expect(await results).toEqual(['value', 'value'])
    expect(task.mock.calls).toEqual([['first']])
  })

  test('starts again after a call has ended', async () => {
    const { load, task, calls } = controlled()
    const first = load('first')
    calls[0]?.resolve('old')
    await first
    const second = load('second')
    calls[1]?.resolve('new')

    expect(await second).toBe('new')
    expect(task.mock.calls).toEqual([['first'], ['second']])
  })

  test('rejects all callers with the same error, and starts again', async () => {
    const { load, calls } = controlled()
    const results = Promise.allSettled([load('a'), load('b')])
    const error = new Error('oops')
    calls[0]?.reject(error)

    expect(await results).toEqual([
      { status: 'rejected', reason: error },
      { status: 'rejected', reason: error },
    ])
    void load('c')
    expect(calls).toHaveLength(2)
  })

  test('rejects if the task throws synchronously, and starts again', async () => {
    const task = vi.fn((): string => {
      throw new Error('oops')
    })
    const load = singleFlight(task)

    await expect(load()).rejects.toThrow('oops')
    await expect(load()).rejects.toThrow('oops')

    expect(task).toHaveBeenCalledTimes(2)
    expect(load.inProgress).toBe(false)
  })

  test('calls the task synchronously', () => {
    const { load, task } = controlled()

    void load('x')

    expect(task).toHaveBeenCalledOnce()
  })

  test('joins a call that the task makes to itself before it returns', async () => {
    let nested: Promise<string> | undefined
    const load = singleFlight((depth: number): string => {
      nested = load(depth + 1)
      return `depth ${depth}`
    })

    expect(await load(0)).toBe('depth 0')
    expect(await nested).toBe('depth 0')
  })

  test('is in progress until the call has ended, as seen by its callers', async () => {
    const { load, calls } = controlled()
    expect(load.inProgress).toBe(false)
    const seen = load('x').then(() => load.inProgress)
    expect(load.inProgress).toBe(true)

    calls[0]?.resolve('value')

    expect(await seen).toBe(false)
  })

  test('is idle immediately without a call, and after the end of a failed one', async () => {
    const { load, calls } = controlled()
    await load.idle()
    const failed = load('x').catch(() => 'failed')
    const idle = load.idle().then(() => load.inProgress)

    calls[0]?.reject(new Error('oops'))

    expect(await idle).toBe(false)
    expect(await failed).toBe('failed')
  })

  test('keeps the types of the arguments and of the result', () => {
    const load = singleFlight(async (id: string, count?: number) => `${id} ${count}`)

    expectTypeOf<Parameters<typeof load>>().toEqualTypeOf<[id: string, count?: number | undefined]>()
    expectTypeOf<ReturnType<typeof load>>().toEqualTypeOf<Promise<string>>()
  })

  test('refuses a task that is not a function', () => {
    // @ts-expect-error a promise is not a task
    expect(() => singleFlight(Promise.resolve())).toThrow(TypeError('task must be a function, received object'))
  })
})
