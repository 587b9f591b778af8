/**
 * What need not be done at once is done a moment later, together. Done in between other things, each costs several times as
 * much, since its code and data have left the processor's caches meanwhile.
 */
export class Batch<Item> {
  #waiting: Item[] = []
  readonly #handle: (item: Item) => Promise<void>
  readonly #patience: number

  /**
   * @param handle never rejects
   * @param patience how long an item may wait for others, in milliseconds
   */
  constructor(handle: (item: Item) => Promise<void>, patience: number) {
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
    await Promise.all(items.map(this.#handle))
  }
}
