/** Refuses to serve other hosts without authentication, unless that is allowed explicitly. */
import { lookup } from 'node:dns/promises'
import { type AddressInfo, BlockList, isIPv6 } from 'node:net'
import { lifecycle } from '../../bus/process/lifecycle.ts'
import { mandatory, type Subscriber } from '../../bus/process/process-bus.ts'
import { httpRoutes } from '../../channels.ts'
import { UsageError } from '../../errors.ts'
import { isAuthenticated } from './authentication.ts'

export interface NoAuthenticationOptions {
  /** The address or host name to listen on. */
  readonly host: string
  /** Serve clients beyond loopback without a token. */
  readonly allowAnonymous: boolean
  /** The CA of client certificates. If they are required, they authenticate every client. */
  readonly tlsClientCa?: string | undefined
  readonly tlsClientAuth?: 'required' | 'optional' | undefined
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

export const noAuthentication = ({
  host,
  allowAnonymous,
  tlsClientCa,
  tlsClientAuth,
}: NoAuthenticationOptions): Subscriber =>
  mandatory((bus) => {
    const requiresCertificate = tlsClientCa !== undefined && tlsClientAuth === 'required'
    const isProtected = () => requiresCertificate || isAuthenticated(bus)
    // All providers are registered before the start.
    const check = async () => {
      if (allowAnonymous || isProtected()) return
      const addresses = await lookup(host, { all: true })
      if (addresses.every(({ address }) => isLoopback(address))) return
      throw new UsageError(
        `Listening on ${host} without authentication requires --allow-anonymous; or configure clients with --clients, --auth-token-file or a variable such as ${bus.service.variablePrefix}CLIENTS, which must not be empty`,
      )
    }
    // Before any other subscriber connects or listens.
    bus.subscribe(lifecycle.start, check, { priority: 10 })

    bus.subscribe(httpRoutes, (app) => {
      if (isProtected()) return
      app.server.once('listening', () => {
        const { address } = app.server.address() as AddressInfo // a string only for a pipe
        if (isLoopback(address)) return
        bus.log('warn', `Authentication is disabled: anyone who can reach ${address} can use this service`)
      })
    })
  })

/** Includes IPv4 addresses that are written as IPv6, such as `::ffff:127.0.0.1`. */
function isLoopback(address: string): boolean {
  return loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}
