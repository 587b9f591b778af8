/** A list of tokens or a document of clients is invalid. It quotes no token. */
export class InvalidClients extends Error {
  override readonly name = 'InvalidClients'
  readonly code = 'INVALID_CLIENTS'
  readonly #problem: string
  readonly #path: string

  /**
   * @param problem what must be true, such as `must be a text`
   * @param path the invalid member of the document, such as `clients[0].name`; that of the whole by default
   */
  constructor(problem: string, path = '') {
    super(path === '' ? problem : `${path}: ${problem}`)
    this.#problem = problem
    this.#path = path
    Object.assign(this, { stack: undefined }) // the message is sufficient, as for every mistake of a user
  }

  /** The message with the name of the source. */
  in(source: string): string {
    return this.#path === '' ? `${source} ${this.#problem}` : `${source}: ${this.message}`
  }
}
