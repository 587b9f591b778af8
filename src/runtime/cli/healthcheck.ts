/** Asks the service on this host whether it is alive: what `secret-bus healthcheck` does, for Docker and ECS. */
import { isIPv6 } from 'node:net'
import { Agent, request } from 'undici'
import { messageOf } from '../../bus/errors.ts'
import { ExitError } from '../../errors.ts'

export interface HealthcheckOptions {
  /** Where the service listens; `0.0.0.0` and `::` are everywhere, so also on loopback. */
  readonly host: string
  readonly port: number
  /** Whether it speaks HTTPS. */
  readonly tlsCert?: string | undefined
}

/** How long the service may take to answer, in milliseconds. */
const answerTimeout = 2_000

/** The service is not there, or not as it should be. */
class NotHealthy extends ExitError {
  override readonly name = 'NotHealthy'
  /** All that Docker knows but 0. */
  readonly exitCode = 1
}

/** @throws NotHealthy, saying why */
export async function healthcheck({ host, port, tlsCert }: HealthcheckOptions): Promise<void> {
  const url = `${tlsCert === undefined ? 'http' : 'https'}://${reachable(host)}:${port}/health`
  // Who it is matters not on this host, and the certificate is for the name that clients know.
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } })
  try {
    const { statusCode, body } = await request(url, { dispatcher, signal: AbortSignal.timeout(answerTimeout) })
    await body.dump()
    if (statusCode !== 200) throw new Error(`status ${statusCode}`)
  } catch (cause) {
    throw new NotHealthy(`not healthy: ${url}: ${messageOf(cause)}`, { cause })
  } finally {
    await dispatcher.destroy()
  }
}

function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return isIPv6(host) ? `[${host}]` : host
}
