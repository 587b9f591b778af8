/** Bounds how many tasks run at once. */

/** Runs a task as soon as fewer than the maximum are running, and settles as it does. */
export type Limiter = <Result>(task: () => Result | PromiseLike<Result>) => Promise<Result>

/**
 * Creates a limiter. Tasks start in the order of the calls; within the call itself if the limit is not reached.
 * @param max maximum number of tasks that run at once
 * @throws RangeError unless `max` is at least 1
 */
export function limiter(max: number): Limiter {
  if (!(max >= 1)) throw new RangeError(`max must be a number of at least 1, received ${max}`)
  const waiting: (() => void)[] = []
  let running = 0
  return async (task) => {
    if (running >= max) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await task()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}
