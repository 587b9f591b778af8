/** Opens the connections to AWS: through the configured proxy, except to this host and to the metadata endpoints. */
import { BlockList, isIP } from 'node:net'
import type { SecureContext } from 'node:tls'
import { Agent, Dispatcher, EnvHttpProxyAgent } from 'undici'
import type { Sensitive } from '../../secret.ts'

export interface DispatcherOptions {
  /** Timeout for opening a connection, in milliseconds. */
  readonly connectTimeout: number
  /** Inactivity timeout of one attempt, for the headers and between chunks of the body, in milliseconds. */
  readonly requestTimeout: number
  readonly proxy?: ProxyOptions | undefined
}

export interface ProxyOptions {
  /** The URL of the proxy for `http://` URLs, and for `https://` URLs if `https` is not set. */
  readonly http: Sensitive | undefined
  /** The URL of the proxy for `https://` URLs. */
  readonly https: Sensitive | undefined
  /** Hosts that are reached without the proxy, separated by commas. */
  readonly except: string
}

/**
 * Number of connections to DynamoDB, and so of concurrent attempts; further ones wait within `--fetch-timeout`. It is
 * the default of the SDK's own HTTP handler.
 */
const maxConnections = 50

/** @param trusted the certificate authorities to trust; those of Node.js by default */
export function newDispatcher(options: DispatcherOptions, trusted: SecureContext | undefined): Dispatcher {
  const { connectTimeout: timeout, requestTimeout, proxy } = options
  const connect = { timeout, ...(trusted && { secureContext: trusted }) }
  const settings = { connections: maxConnections, connect, headersTimeout: requestTimeout, bodyTimeout: requestTimeout }
  const direct = new Agent(settings)
  if (!proxy) return direct
  // An undefined URL would be taken from the environment instead.
  const [httpProxy, httpsProxy] = [proxy.http?.reveal() ?? '', proxy.https?.reveal() ?? '']
  const tls = { requestTls: connect, proxyTls: connect }
  const proxied = new EnvHttpProxyAgent({ ...settings, ...tls, httpProxy, httpsProxy, noProxy: proxy.except })
  return new SelectiveDispatcher(direct, proxied)
}

class SelectiveDispatcher extends Dispatcher {
  readonly #direct: Dispatcher
  readonly #proxied: Dispatcher

  constructor(direct: Dispatcher, proxied: Dispatcher) {
    super()
    this.#direct = direct
    this.#proxied = proxied
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const dispatcher = isUnproxied(new URL(String(options.origin))) ? this.#direct : this.#proxied
    return dispatcher.dispatch(options, handler)
  }

  override async close(): Promise<void> {
    await Promise.all([this.#direct.close(), this.#proxied.close()])
  }

  override async destroy(): Promise<void> {
    await Promise.all([this.#direct.destroy(), this.#proxied.destroy()])
  }
}

/** Loopback and the metadata endpoints of ECS, EKS and EC2, which a proxy cannot reach. */
const unproxied = new BlockList()
unproxied.addSubnet('127.0.0.0', 8)
unproxied.addAddress('::1', 'ipv6')
unproxied.addSubnet('169.254.0.0', 16)
unproxied.addSubnet('fd00:ec2::', 32, 'ipv6')

function isUnproxied({ hostname }: URL): boolean {
  const host = hostname.replace(/^\[|\]$/g, '')
  if (isIP(host)) return unproxied.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')
  return /^(.+\.)?localhost$/.test(host)
}
