/** What a secret is, and how asking for one fails: the words that handlers and sources share. */
import { inspect } from 'node:util'

/** A string that shows itself to nobody who does not ask: printed, logged, inspected or serialised it is `[redacted]`. */
export class Sensitive {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The value itself. Only who hands it to the client, or compares it, calls this. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '[redacted]'
  }

  toJSON(): string {
    return this.toString()
  }

  [inspect.custom](): string {
    return this.toString()
  }
}

export interface SecretQuery {
  /** The key of the item that holds the secret. */
  readonly codeName: string
}

/** A secret as a source has it. */
export interface StoredSecret extends SecretQuery {
  readonly value: Sensitive
  /** When it was read, in milliseconds since the epoch. */
  readonly fetchedAt: number
}

/** A secret as it is answered. */
export interface Secret extends StoredSecret {
  readonly freshness: Freshness
}

export interface Freshness {
  /** From the cache (`stale`: past its lifetime), fetched for this question, or with another's fetch (`coalesced`). */
  readonly result: 'hit' | 'stale' | 'miss' | 'coalesced'
  /** When its lifetime ends, in milliseconds since the epoch; `Infinity` is never. */
  readonly expiresAt: number
}

/** There is no such secret: the source was asked and has none, or the name is not one that is served. */
export class SecretNotFound extends Error {
  override readonly name = 'SecretNotFound'
  readonly code = 'SECRET_NOT_FOUND'

  constructor(codeName: string) {
    super(`there is no secret named ${JSON.stringify(codeName)}`)
  }
}

/**
 * Why a source did not answer. All but `SOURCE_REFUSED` may pass by themselves, so that an older value is still good.
 * - `SOURCE_STARTING`: it is not there yet
 * - `SOURCE_THROTTLED`: it was asked too often
 * - `SOURCE_TIMEOUT`: it took too long
 * - `SOURCE_UNAVAILABLE`: network, credentials, its own failure, an unreadable reply
 * - `SOURCE_REFUSED`: it answered, and will answer the same: access denied, no table, no usable attribute
 */
export type SourceFailureCode =
  | 'SOURCE_STARTING'
  | 'SOURCE_THROTTLED'
  | 'SOURCE_TIMEOUT'
  | 'SOURCE_UNAVAILABLE'
  | 'SOURCE_REFUSED'

/** The secret could not be read. */
export class SourceFailure extends Error {
  override readonly name = 'SourceFailure'
  readonly code: SourceFailureCode
  /** When it makes sense to ask again, in milliseconds from now, if that is known. */
  readonly retryAfter: number | undefined

  constructor(code: SourceFailureCode, message: string, options: { cause?: unknown; retryAfter?: number } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.code = code
    this.retryAfter = options.retryAfter
  }
}
