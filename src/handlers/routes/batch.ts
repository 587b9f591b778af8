/**
 * What need not be done at once is done a moment later, together. Done in between other things, each costs several times as
 * much, since its code and data have left the processor's caches meanwhile.
 */
export class Batch<Item> {
  #waiting: Item[] = []
  readonly #handle: (item: Item) => Promise<unknown>
  readonly #patience: number

  /**
   * @param handle says itself where it fails
   * @param patience how long an item may wait for others, in milliseconds
   */
  constructor(handle: (item: Item) => Promise<unknown>, patience: number) {
    this.#handle = handle
    this.#patience = patience
  }

  add(item: Item): void {
    this.#waiting.push(item)
    if (this.#waiting.length === 1) setTimeout(() => void this.flush(), this.#patience)
  }

  /** Handles at once whatever waits; resolves when that is done. */
  async flush(): Promise<void> {
    const items = this.#waiting
    this.#waiting = []
    await Promise.allSettled(items.map(this.#handle))
  }
}
