/** The address of a client in one canonical form, whether it is the peer or was named by a trusted proxy. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import type { FastifyRequest } from 'fastify'

/**
 * Returns the address without port, brackets and zone; IPv6 as in RFC 5952, and an IPv4-mapped address as IPv4. An entry
 * of `X-Forwarded-For` that is not an address is ignored, and the address of the peer, the proxy, is returned.
 * @returns undefined if the client disconnected before the server accepted the connection
 */
export function clientAddress({ ip, raw }: Pick<FastifyRequest, 'ip' | 'raw'>): string | undefined {
  const { remoteAddress } = raw.socket // canonical, but for the mapping
  const peer = remoteAddress?.replace(mapped, '')
  return ip === remoteAddress ? peer : (canonicalAddress(ip) ?? peer)
}

/** An address with a port: IPv4, IPv6 in brackets, or, as some proxies write it, IPv6 in full length. */
const withPort = /^(?:\[(?<literal>[^\]]*)\]|(?<ipv4>[\d.]+)|(?<ipv6>(?:[\da-f]{1,4}:){7}[\da-f]{1,4}))(?::\d{1,5})?$/i

const zone = /%.*/

const mapped = /^::ffff:(?=\d+\.)/

/** Returns undefined if the text is not an IP address, optionally with a port. */
export function canonicalAddress(text: string | undefined): string | undefined {
  if (text === undefined || isIPv4(text)) return text
  const unquoted = text.replace(/^"(.*)"$/, '$1').trim()
  const { literal, ipv4, ipv6 } = withPort.exec(unquoted)?.groups ?? {}
  const address = literal ?? ipv4 ?? ipv6 ?? unquoted
  if (!isIPv6(address)) return isIPv4(address) ? address : undefined
  return new SocketAddress({ address: address.replace(zone, ''), family: 'ipv6' }).address.replace(mapped, '')
}
