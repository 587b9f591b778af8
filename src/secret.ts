/** Types and errors shared by the handlers and sources of secrets. */
import { inspect } from 'node:util'
import type { CacheDirectives, Freshness } from './freshness.ts'

/** A string that is hidden unless revealed explicitly: printed, logged, inspected or serialized, it is `[redacted]`. */
export class Sensitive {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** Returns the value. Only for sending it to a client or comparing it. */
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

/** Identifies a secret. */
export interface SecretKey {
  /** The key of the item that holds the secret. */
  readonly codeName: string
}

/** Asks for a secret of a certain freshness: `{ codeName: 'thedoctor', maxAge: 0 }` forces a read. */
export interface SecretQuery extends SecretKey, CacheDirectives {}

/** A secret as read from a source. */
export interface StoredSecret extends SecretKey {
  readonly value: Sensitive
}

/** A secret as served by the cache. */
export interface Secret extends StoredSecret {
  readonly freshness: Freshness
}

/** The secret does not exist in the source, or its name is not among those that are served. */
export class SecretNotFound extends Error {
  override readonly name = 'SecretNotFound'
  readonly code = 'SECRET_NOT_FOUND'

  /** @param reason for the log; the client of a route does not receive it */
  constructor(codeName: string, reason = 'not found') {
    super(`Secret ${JSON.stringify(codeName)} ${reason}`)
  }
}

/**
 * Why a read failed. All but `SOURCE_REFUSED` are transient, so an older value may still be served.
 * - `SOURCE_STARTING`: the source has not started yet
 * - `SOURCE_THROTTLED`: the source is throttling requests
 * - `SOURCE_TIMEOUT`: the source did not respond in time
 * - `SOURCE_UNAVAILABLE`: network, credentials, an internal error of the source, an invalid response
 * - `SOURCE_REFUSED`: permanent, a retry would fail in the same way: access denied, no such table, no usable attribute
 */
export type SourceFailureCode =
  | 'SOURCE_STARTING'
  | 'SOURCE_THROTTLED'
  | 'SOURCE_TIMEOUT'
  | 'SOURCE_UNAVAILABLE'
  | 'SOURCE_REFUSED'

/** The source failed to return the secret. */
export class SourceFailure extends Error {
  override readonly name = 'SourceFailure'
  readonly code: SourceFailureCode
  /** Time to wait before a retry, in milliseconds, if known. */
  readonly retryAfter: number | undefined
  /** The status of the source's HTTP response, if there is one. The service's own response has the status of `code`. */
  readonly status: number | undefined

  constructor(
    code: SourceFailureCode,
    message: string,
    options: { cause?: unknown; retryAfter?: number | undefined; status?: number | undefined } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.code = code
    this.retryAfter = options.retryAfter
    this.status = options.status
  }
}
