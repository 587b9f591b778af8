/** A function whose concurrent callers share one running call. */
export interface SingleFlight<Parameters extends unknown[], Result> {
  /** Starts the task, or joins the call in progress, whose arguments are those of its first caller. */
  (...parameters: Parameters): Promise<Result>
  /** Whether a call is in progress. */
  readonly inProgress: boolean
  /** Resolves when no call is in progress, regardless of how the last one ended. */
  readonly idle: () => Promise<void>
}

/**
 * Wraps a function so that concurrent callers share one running call. The next call after its end starts the task
 * again; results are not cached.
 * @param task called synchronously, with the arguments of the first caller
 * @returns a function whose promise settles like the task. It rejects if the task throws synchronously
 * @throws TypeError if the task is not a function
 */
export function singleFlight<Parameters extends unknown[], Result>(
  task: (...parameters: Parameters) => Result | PromiseLike<Result>,
): SingleFlight<Parameters, Result> {
  if (typeof task !== 'function') throw new TypeError(`task must be a function, received ${typeof task}`)
  let flight: Promise<Result> | undefined

  const run = (...parameters: Parameters): Promise<Result> => {
    if (flight) return flight
    const { promise, resolve, reject } = Promise.withResolvers<Result>()
    // Set before the task starts, because the task may call the function itself.
    flight = promise.finally(() => {
      flight = undefined
    })
    const started = flight
    try {
      resolve(task(...parameters))
    } catch (error) {
      reject(error)
    }
    return started
  }
  const idle = async () => {
    await flight?.then(undefined, () => {})
  }
  return Object.defineProperty(Object.assign(run, { idle, inProgress: false }), 'inProgress', {
    get: () => flight !== undefined,
  })
}
