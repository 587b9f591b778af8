/** Clients without a document: each token of a list is a client that may do everything. */
import type { Right } from '../../client.ts'
import { InvalidClients } from './invalid-clients.ts'
import { type ClientEntry, hashPrefix, tokenHash } from './known-clients.ts'
import { bearerTokenPattern } from './schema.ts'

const bearerToken = new RegExp(`^${bearerTokenPattern}$`)

/**
 * Reads one token per line. Several tokens allow rotation: add the new one before removing the old one.
 * @throws InvalidClients, which does not quote the text
 */
export function tokenClients(text: string, rights: ReadonlySet<Right>): ClientEntry[] {
  const lines = text.split('\n').map((line) => line.trim())
  const invalid = lines.findIndex((line) => line !== '' && !bearerToken.test(line))
  if (invalid >= 0) throw new InvalidClients(`must contain one bearer token per line, see line ${invalid + 1}`)
  const tokens = new Set(lines.filter((line) => line !== ''))
  if (tokens.size === 0) throw new InvalidClients('must contain at least one bearer token')
  return Array.from(tokens, tokenHash).map((hash) => ({
    name: `token-${hashPrefix(hash)}`,
    may: rights,
    mayRead: () => true,
    tokens: [hash],
    certificates: [],
  }))
}
