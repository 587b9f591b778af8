/** Finds the client of a token or a certificate. */
import { hash, timingSafeEqual } from 'node:crypto'
import type { Client, Credentials } from '../../client.ts'

/** A client and what identifies it. */
export interface ClientEntry extends Omit<Client, 'token'> {
  /** The SHA-256 hashes of its tokens. They have equal lengths, as `timingSafeEqual` requires. */
  readonly tokens: readonly Buffer[]
  /** The identities of its certificates. */
  readonly certificates: readonly string[]
}

interface KnownToken {
  readonly client: Client
  readonly hash: Buffer
  uses: number
}

/** A token and how often it has been used. */
export interface TokenUses {
  readonly client: string
  readonly token: string
  readonly uses: number
}

export function tokenHash(token: string): Buffer {
  return hash('sha256', token, 'buffer')
}

/** The first digits of the hash, which identify a token in the log and in metrics. */
export function hashPrefix(hash: Buffer): string {
  return hash.toString('hex', 0, 4)
}

export class KnownClients {
  /** The number of clients. */
  readonly size: number
  /** By the hash in hexadecimal. */
  readonly #byToken = new Map<string, KnownToken>()
  readonly #byIdentity = new Map<string, Client>()
  /** The known tokens that have been received, by their text, because hashing a token takes longer than all the rest. */
  readonly #received = new Map<string, KnownToken>()

  /** @param previous the clients that these replace; the uses of a token that both have are kept */
  constructor(entries: readonly ClientEntry[], previous?: KnownClients) {
    this.size = entries.length
    const before = previous ? previous.#byToken : new Map<string, KnownToken>()
    for (const { tokens, certificates, ...client } of entries) {
      for (const hash of tokens) {
        const key = hash.toString('hex')
        const known = before.get(key)
        const uses = known?.client.name === client.name ? known.uses : 0
        this.#byToken.set(key, { client: { ...client, token: hashPrefix(hash) }, hash, uses })
      }
      for (const identity of certificates) this.#byIdentity.set(identity, client)
    }
  }

  /** A token takes precedence over a certificate: an unknown token is rejected, even with a known certificate. */
  identify({ token, certificate = [] }: Credentials): Client | undefined {
    if (token) return this.#withToken(token.reveal())
    const identity = certificate.find((identity) => this.#byIdentity.has(identity))
    return identity === undefined ? undefined : this.#byIdentity.get(identity)
  }

  /** The tokens, in the order of the document. */
  get tokens(): readonly TokenUses[] {
    return Array.from(this.#byToken.values(), ({ client: { name, token = '' }, uses }) => ({
      client: name,
      token,
      uses,
    }))
  }

  /**
   * The time of a search depends on a hash of the received text: that of a `Map`, which V8 seeds for each process, or
   * SHA-256. Neither says anything about the known tokens.
   */
  #withToken(text: string): Client | undefined {
    const received = this.#received.get(text)
    const known = received ?? this.#withHash(tokenHash(text))
    if (!known) return undefined
    if (!received) this.#received.set(text, known)
    known.uses += 1
    return known.client
  }

  #withHash(received: Buffer): KnownToken | undefined {
    const known = this.#byToken.get(received.toString('hex'))
    return known && timingSafeEqual(known.hash, received) ? known : undefined
  }
}
