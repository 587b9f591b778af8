import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import fastify from 'fastify'
import { describe, expect, test, vi } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { httpRoutes, identifyClient } from '../../../src/channels.ts'
import { UsageError } from '../../../src/errors.ts'
import { type NoAuthenticationOptions, noAuthentication } from '../../../src/handlers/guards/no-authentication.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { fetchReply, startHttp } from '../../support/http/http.ts'

// Replaced once, because no host name has a loopback address and another one everywhere.
vi.mock('node:dns/promises', { spy: true })

const warningOf = (address: string) =>
  `Authentication is disabled: anyone who can reach ${address} can use this service`

const route: Subscriber = (bus) => bus.subscribe(httpRoutes, (app) => void app.get('/route', async () => 'read'))

const guard = (host: string, allowAnonymous = false) => noAuthentication({ host, allowAnonymous })

/** The warnings for a server that listens on the address. The address is mocked, because not every host has it. */
async function warningsAt(address: string, family: string, others: Partial<NoAuthenticationOptions> = {}) {
  const { bus, messages } = recordedBus({
    'no-authentication': noAuthentication({ host: address, allowAnonymous: true, ...others }),
  })
  const app = fastify()
  await bus.publish(httpRoutes, app)
  vi.spyOn(app.server, 'address').mockReturnValue({ address, family, port: 5000 })
  app.server.emit('listening')
  return messages('warn')
}

describe('without a configured token', () => {
  test('requests are served with or without credentials', async () => {
    const { origin } = await startHttp({ 'no-authentication': guard('127.0.0.1'), route })

    for (const headers of [{}, { authorization: 'Bearer x' }, { authorization: 'nonsense' }])
      expect(await fetchReply(`${origin}/route`, { headers })).toMatchObject({ status: 200, body: 'read' })
  })

  test.each(['127.0.0.1', 'localhost', '127.1.2.3'])('nothing is logged on %s', async (host) => {
    const { messages } = await startHttp({ 'no-authentication': guard(host) }, { host })

    expect(messages('warn')).toEqual([])
  })

  test('a warning is logged at each start on an address other than loopback, if that is allowed', async () => {
    const { bus, messages } = await startHttp({ 'no-authentication': guard('0.0.0.0', true) }, { host: '0.0.0.0' })
    expect(messages('warn')).toEqual([warningOf('0.0.0.0')])

    await bus.stop()
    await bus.start()

    expect(messages('warn')).toEqual([warningOf('0.0.0.0'), warningOf('0.0.0.0')])
  })

  test.each([
    ['0.0.0.0', 'IPv4'],
    ['10.0.0.1', 'IPv4'],
    ['126.255.255.255', 'IPv4'],
    ['128.0.0.1', 'IPv4'],
    ['::', 'IPv6'],
    ['::2', 'IPv6'],
    ['2001:db8::1', 'IPv6'],
    ['fe80::1%eth0', 'IPv6'],
    ['::ffff:10.0.0.1', 'IPv6'],
  ])('a warning is logged on %s', async (address, family) => {
    expect(await warningsAt(address, family)).toEqual([warningOf(address)])
  })

  test.each([
    ['127.255.255.254', 'IPv4'],
    ['::1', 'IPv6'],
    ['::ffff:127.0.0.1', 'IPv6'],
  ])('nothing is logged on the loopback address %s', async (address, family) => {
    expect(await warningsAt(address, family)).toEqual([])
  })
})

test('with required client certificates, no warning is logged', async () => {
  expect(await warningsAt('10.0.0.1', 'IPv4', { tlsClientCa: 'ca.pem', tlsClientAuth: 'required' })).toEqual([])
  expect(await warningsAt('10.0.0.1', 'IPv4', { tlsClientCa: 'ca.pem', tlsClientAuth: 'optional' })).toHaveLength(1)
})

describe('starting without authentication', () => {
  /** The outcome of a start without a server: `undefined`, or the error. */
  const start = (host: string, others: Record<string, Subscriber> = {}, allowAnonymous = false) =>
    recordedBus({ 'no-authentication': guard(host, allowAnonymous), ...others })
      .bus.start()
      .catch((error: unknown) => error)

  test.each(['0.0.0.0', '0', '::', '10.0.0.1', '128.0.0.1', '::2', '::ffff:10.0.0.1', '::ffff:a00:1'])(
    'fails on %s',
    async (host) => {
      const error = await start(host)

      expect(error).toBeInstanceOf(UsageError)
      expect(error).toMatchObject({ exitCode: 64, message: expect.stringMatching(`${host} .* --allow-anonymous`) })
    },
  )

  test.each(['127.0.0.1', '127.1', '127.255.255.254', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', 'localhost'])(
    'is allowed on the loopback address %s',
    async (host) => {
      expect(await start(host)).toBeUndefined()
    },
  )

  test('fails if client certificates are required, but there is no CA', async () => {
    const options = { host: '0.0.0.0', allowAnonymous: false, tlsClientAuth: 'required' } as const
    const { bus } = recordedBus({ 'no-authentication': noAuthentication(options) })

    await expect(bus.start()).rejects.toThrow(UsageError)
  })

  test('fails on a host name of which only one address is loopback', async () => {
    const addresses: unknown = ['127.0.0.1', '10.0.0.1'].map((address) => ({ address, family: 4 }))
    vi.mocked(lookup).mockResolvedValueOnce(addresses as LookupAddress) // the type is that of another overload

    expect(await start('service.example')).toBeInstanceOf(UsageError)
  })

  test('is allowed everywhere with --allow-anonymous', async () => {
    expect(await start('0.0.0.0', {}, true)).toBeUndefined()
  })

  test('is allowed everywhere if any subscriber identifies clients', async () => {
    expect(await start('0.0.0.0', { mine: (bus) => bus.provide(identifyClient, () => undefined) })).toBeUndefined()
  })

  test('is allowed everywhere if client certificates are required, but not if they are optional', async () => {
    const outcome = (tlsClientAuth: 'required' | 'optional') => {
      const options = { host: '0.0.0.0', allowAnonymous: false, tlsClientCa: 'ca.pem', tlsClientAuth }
      return start('0.0.0.0', { 'no-authentication': noAuthentication(options) })
    }

    expect(await outcome('required')).toBeUndefined()
    expect(await outcome('optional')).toBeInstanceOf(UsageError)
  })

  test('fails before any later subscriber starts and before the port opens', async () => {
    const listening = vi.fn()
    const service = startHttp(
      {
        'no-authentication': guard('0.0.0.0'),
        routes: (bus) => bus.subscribe(httpRoutes, (app) => void app.server.on('listening', listening)),
      },
      { host: '0.0.0.0' },
    )

    await expect(service).rejects.toThrow(UsageError)
    expect(listening).not.toHaveBeenCalled()
  })
})
