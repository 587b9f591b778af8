/** Returns a function that creates a value on the first call and keeps it. After a failure, the next call retries. */
export function lazy<Value>(create: () => Promise<Value>): () => Promise<Value> {
  let value: Promise<Value> | undefined
  return () => {
    value ??= create().catch((error) => {
      value = undefined
      throw error
    })
    return value
  }
}
