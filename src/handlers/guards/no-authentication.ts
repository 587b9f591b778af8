/** Replaces authentication if no token is configured. */
import { type AddressInfo, BlockList } from 'node:net'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { httpRoutes } from '../../channels.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

/** Logs a warning if the server listens on an address other than loopback. */
export const noAuthentication = (): Subscriber => (bus) => {
  bus.subscribe(httpRoutes, (app) => {
    app.server.once('listening', () => {
      const { address, family } = app.server.address() as AddressInfo // a string only for a pipe
      if (loopback.check(address, family === 'IPv6' ? 'ipv6' : 'ipv4')) return
      bus.log('warn', `Authentication is disabled: anyone who can reach ${address} can read secrets`)
    })
  })
}
