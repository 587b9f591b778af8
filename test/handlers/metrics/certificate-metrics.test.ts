import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { HttpServerOptions } from '../../../src/handlers/server/http-server.ts'
import { certificateFiles, newCertificate } from '../../support/http/certificate.ts'
import { ClientCa } from '../../support/http/client-ca.ts'
import { startHttp } from '../../support/http/http.ts'
import { metricValues } from '../../support/metric-values.ts'
import { temporaryFile } from '../../support/temporary-file.ts'

const expiringAt = (date: string) => newCertificate({ notAfterDate: new Date(date) })
const seconds = (date: string) => Date.parse(date) / 1_000

async function secured(date: string, more: Partial<HttpServerOptions> = {}) {
  const { options, write } = await certificateFiles(await expiringAt(date))
  const { bus } = await startHttp({}, { ...options, ...more })
  const expiry = () => metricValues(bus, 'secret_bus_tls_certificate_expiry_timestamp_seconds')
  const caExpiry = () => metricValues(bus, 'secret_bus_tls_client_ca_expiry_timestamp_seconds')
  return { bus, write, expiry, caExpiry }
}

test('the expiry is that of the certificate in use, also after a reload', async () => {
  const { bus, write, expiry } = await secured('2040-01-02T03:04:05Z')
  expect(await expiry()).toEqual({ '': seconds('2040-01-02T03:04:05Z') })

  await write(await expiringAt('2050-06-07T08:09:10Z'))
  expect(await expiry()).toEqual({ '': seconds('2040-01-02T03:04:05Z') })
  await bus.graceful()
  expect(await expiry()).toEqual({ '': seconds('2050-06-07T08:09:10Z') })

  await write({ cert: 'nonsense' })
  await bus.graceful().catch(() => {})
  expect(await expiry()).toEqual({ '': seconds('2050-06-07T08:09:10Z') })
})

test('the expiry is that of a watched certificate as soon as it is used', async () => {
  const { write, expiry } = await secured('2040-01-01T00:00:00Z', { watchFiles: 20 })

  await write(await expiringAt('2050-01-01T00:00:00Z'))

  await expect.poll(expiry).toEqual({ '': seconds('2050-01-01T00:00:00Z') })
})

test('the expiry is that of the first certificate of a chain', async () => {
  const [leaf, other] = [await expiringAt('2040-01-01T00:00:00Z'), await expiringAt('2030-01-01T00:00:00Z')]
  const { bus, write, expiry } = await secured('2050-01-01T00:00:00Z')
  await write({ cert: leaf.cert + other.cert, key: leaf.key })

  await bus.graceful()

  expect(await expiry()).toEqual({ '': seconds('2040-01-01T00:00:00Z') })
})

test('the expiry of the client CA is the earliest of its certificates', async () => {
  const root = await ClientCa.create('root') // for 60 days
  const intermediate = await root.intermediate('intermediate', { to: 10 })
  const tlsClientCa = await temporaryFile(root.cert + intermediate.cert)
  const { bus, caExpiry } = await secured('2040-01-01T00:00:00Z', { tlsClientCa })
  const days = async () => Math.round(((await caExpiry())[''] ?? NaN) / 86_400 - Date.now() / 86_400_000)
  expect(await days()).toBe(10)

  await writeFile(tlsClientCa, root.cert)
  await bus.graceful()

  expect(await days()).toBe(60)
})

test('a server has no metrics of what is not configured', async () => {
  const { expiry, caExpiry } = await secured('2040-01-01T00:00:00Z')
  expect(Object.keys(await expiry())).toHaveLength(1)
  expect(await caExpiry()).toEqual({})

  const { bus } = await startHttp({})
  expect(await metricValues(bus, 'secret_bus_tls_certificate_expiry_timestamp_seconds')).toEqual({})
})
