/** The TLS versions and cipher suites of the server. */

import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import { connect, createSecureContext, type SecureContextOptions, TLSSocket } from 'node:tls'

/**
 * TLS 1.3, and of TLS 1.2 only the suites with forward secrecy and authenticated encryption, in the order of the server:
 * https://www.rfc-editor.org/rfc/rfc9325#section-4.2
 */
export const cipherSuites = {
  minVersion: 'TLSv1.2',
  honorCipherOrder: true,
  ciphers: [
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'TLS_AES_128_GCM_SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
  ].join(':'),
} as const satisfies SecureContextOptions

/** Time limit in milliseconds; a handshake in memory takes a few. */
const timeout = 10_000

/**
 * Completes a handshake in memory. A certificate whose key type no suite uses, for example, is a valid pair that fails
 * only then.
 * @throws Error with the reason that OpenSSL gives, if it fails
 */
export async function tryHandshake(options: SecureContextOptions): Promise<void> {
  const secureContext = createSecureContext(options)
  const [near, far] = duplexPair()
  const server = new TLSSocket(far, { isServer: true, secureContext })
  const client = connect({ socket: near, rejectUnauthorized: false })
  const { promise: failed, reject } = Promise.withResolvers<never>()
  server.on('error', reject)
  try {
    await Promise.race([once(client, 'secureConnect', { signal: AbortSignal.timeout(timeout) }), failed])
  } catch (error) {
    // The message of OpenSSL has several parts, of which only one is the reason.
    throw error instanceof Error && 'reason' in error ? new Error(String(error.reason), { cause: error }) : error
  } finally {
    client.on('error', () => {})
    client.destroy()
    server.destroy()
  }
}
