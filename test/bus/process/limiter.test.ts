import { describe, expect, test } from 'vitest'
import { limiter } from '../../../src/bus/process/limiter.ts'

describe('a limiter', () => {
  test('starts tasks within the call up to the maximum, and the others in order when one ends', async () => {
    const limit = limiter(2)
    const started: number[] = []
    const tasks = [0, 1, 2, 3].map(() => Promise.withResolvers<number>())
    const results = tasks.map((task, index) =>
      limit(() => {
        started.push(index)
        return task.promise
      }),
    )
    expect(started).toEqual([0, 1])

    tasks[1]?.resolve(1)
    await results[1]
    expect(started).toEqual([0, 1, 2])

    tasks[2]?.reject(new Error('failed'))
    await expect(results[2]).rejects.toThrow('failed')
    expect(started).toEqual([0, 1, 2, 3])

    tasks[0]?.resolve(0)
    tasks[3]?.resolve(3)
    expect(await Promise.all([results[0], results[3]])).toEqual([0, 3])
    await limit(() => started.push(4))
    expect(started).toEqual([0, 1, 2, 3, 4])
  })

  test('frees the place of a task that throws', async () => {
    const limit = limiter(1)
    const fail = () => {
      throw new Error('failed')
    }

    await expect(limit(fail)).rejects.toThrow('failed')

    expect(await limit(() => 'next')).toBe('next')
  })

  test.each([0, -1, Number.NaN])('refuses a maximum of %d', (max) => {
    expect(() => limiter(max)).toThrow(RangeError)
  })
})
