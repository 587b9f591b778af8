/** What is made when it is first asked for, and kept. */

/** Answers with the means to ask. Who asks while it is being made waits for that; where it failed, the next one may have more luck. */
export function lazy<Thing>(make: () => Promise<Thing>): () => Promise<Thing> {
  let made: Promise<Thing> | undefined
  return () => {
    made ??= make().catch((error) => {
      made = undefined
      throw error
    })
    return made
  }
}
