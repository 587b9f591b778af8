/**
 * Handles items in batches, after a short delay. Handling each item on its own, between other work, costs several times
 * as much, because its code and data have been evicted from the CPU caches by then.
 */
export class Batch<Item> {
  #items: Item[] = []
  readonly #handle: (item: Item) => Promise<unknown>
  readonly #delay: number

  /**
   * @param handle must handle its own failures: rejections are ignored
   * @param delay maximum delay of an item, in milliseconds
   */
  constructor(handle: (item: Item) => Promise<unknown>, delay = 5) {
    this.#handle = handle
    this.#delay = delay
  }

  add(item: Item): void {
    this.#items.push(item)
    if (this.#items.length === 1) setTimeout(() => void this.flush(), this.#delay)
  }

  /** Handles the pending items immediately. Resolves when all have been handled. */
  async flush(): Promise<void> {
    const items = this.#items
    this.#items = []
    await Promise.allSettled(items.map(this.#handle))
  }
}
