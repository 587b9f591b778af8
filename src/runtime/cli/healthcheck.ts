/** The `healthcheck` command, for Docker and ECS: requests `/health` of the service on this host. */
import { isIPv6 } from 'node:net'
import { Agent, request } from 'undici'
import { messageOf } from '../../bus/errors.ts'
import { ExitError } from '../../errors.ts'

export interface HealthcheckOptions {
  /** The address that the service listens on. */
  readonly host?: string | undefined
  readonly port?: number | undefined
  /** Certificate file of the service; if set, the check uses HTTPS. */
  readonly tlsCert?: string | undefined
}

/** Time limit of the response in milliseconds. */
const timeout = 2_000

/** The service is unreachable, or its response is not 200. */
class Unhealthy extends ExitError {
  override readonly name = 'Unhealthy'
  /** Docker defines only the exit codes 0 and 1. */
  readonly exitCode = 1
}

/** @throws Unhealthy with the URL and the reason, or if the service has no HTTP server */
export async function healthcheck({ host, port, tlsCert }: HealthcheckOptions): Promise<void> {
  if (host === undefined || port === undefined)
    throw new Unhealthy('healthcheck requires the options host and port, which a service without HTTP does not have')
  const url = `${tlsCert === undefined ? 'http' : 'https'}://${urlHost(host)}:${port}/health`
  // The certificate is issued for the public host name, not for this address.
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } })
  try {
    const { statusCode, body } = await request(url, { dispatcher, signal: AbortSignal.timeout(timeout) })
    await body.dump()
    if (statusCode !== 200) throw new Error(`status ${statusCode}`)
  } catch (cause) {
    throw new Unhealthy(`Unhealthy: ${url}: ${messageOf(cause)}`, { cause })
  } finally {
    await dispatcher.destroy()
  }
}

/** The host part of a URL for a listening address. The wildcard addresses `0.0.0.0` and `::` include loopback. */
function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return isIPv6(host) ? `[${host}]` : host
}
