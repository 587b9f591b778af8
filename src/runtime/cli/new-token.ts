/** The `token` command: creates a bearer token. */
import { hash, randomBytes } from 'node:crypto'

/**
 * Prints a new random token of 256 bits, which is stored nowhere, and the hash that the document of clients has instead.
 * @returns the exit code
 */
export async function newToken({ stdout }: { readonly stdout: { write(text: string): unknown } }): Promise<number> {
  const token = randomBytes(32).toString('base64url')
  stdout.write(`token: ${token}\nhash: sha256:${hash('sha256', token)}\n`)
  return 0
}
