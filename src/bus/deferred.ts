/** A promise that is settled from outside. */
export interface Deferred<Result> {
  readonly promise: Promise<Result>
  readonly resolve: (result: Result | PromiseLike<Result>) => void
  readonly reject: (reason: unknown) => void
}

/** As `Promise.withResolvers`, which programs that use the bus as a library may be too old for: Node 20 has it not. */
export function deferred<Result>(): Deferred<Result> {
  let resolve: Deferred<Result>['resolve'] = () => {}
  let reject: Deferred<Result>['reject'] = () => {}
  const promise = new Promise<Result>((onResult, onReason) => {
    resolve = onResult
    reject = onReason
  })
  return { promise, resolve, reject }
}
