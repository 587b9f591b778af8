/** The entries of a cache without a fixed set of keys: those used last. */

/**
 * Drops the least recently used entries beyond the bound. Entries without a value have a bound of their own, so that
 * requests for keys that do not exist never drop a value.
 */
export class RecentEntries<Entry> {
  readonly #max: number
  readonly #withValue = new Map<string, Entry>()
  readonly #withoutValue = new Map<string, Entry>()

  /** @param max maximum number of entries with a value, and of those without */
  constructor(max: number) {
    this.#max = max
  }

  /**
   * Returns the entry of a key, and makes it the most recently used one.
   * @param create creates the entry, which calls `keep` when it has a value
   */
  get(key: string, create: (keep: () => void) => Entry): Entry {
    const entry = this.#withValue.get(key)
    if (entry) return this.#put(this.#withValue, key, entry)
    const keep = () => {
      this.#withoutValue.delete(key)
      this.#put(this.#withValue, key, created)
    }
    const created = this.#withoutValue.get(key) ?? create(keep)
    return this.#put(this.#withoutValue, key, created)
  }

  [Symbol.iterator](): Iterator<[key: string, entry: Entry]> {
    return [...this.#withValue, ...this.#withoutValue].values()
  }

  /** A `Map` iterates in the order of insertion, so the first entry is the least recently used one. */
  #put(entries: Map<string, Entry>, key: string, entry: Entry): Entry {
    entries.delete(key)
    entries.set(key, entry)
    const [oldest] = entries.keys()
    if (entries.size > this.#max && oldest !== undefined) entries.delete(oldest)
    return entry
  }
}
