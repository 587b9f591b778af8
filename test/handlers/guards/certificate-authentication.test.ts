import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { httpRoutes, identifyClient } from '../../../src/channels.ts'
import { authentication } from '../../../src/handlers/guards/authentication.ts'
import { clientOf } from '../../../src/handlers/guards/client-of.ts'
import { Sensitive } from '../../../src/secret.ts'
import { clients } from '../../../src/sources/clients/clients.ts'
import { certificateFiles, newCertificate, clientOf as tlsClientOf } from '../../support/http/certificate.ts'
import { ClientCa, type Issued } from '../../support/http/client-ca.ts'
import { startHttp } from '../../support/http/http.ts'

const server = await newCertificate()
const [ca, otherCa] = [await ClientCa.create('clients'), await ClientCa.create('others')]
const named = { alternativeNames: [{ type: 'url' as const, value: 'spiffe://example/ops' }] }
const [ops, forged] = [await ca.issue(named), await otherCa.issue(named)]
const [unknown, nameless] = [await ca.issue(), await ca.issue({ subject: [{ O: ['example'] }] })]

const document = {
  clients: [
    { name: 'ops', certificates: ['spiffe://example/ops'] },
    { name: 'billing', tokens: ['billing-token'] },
  ],
}

/** Starts authentication with this provider and a route that replies with the client. Returns a client of the service. */
async function secured(provider: Subscriber) {
  const { options } = await certificateFiles(server)
  const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const tlsClientCa = join(folder, 'ca.pem')
  await writeFile(tlsClientCa, ca.cert)
  const route: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => void app.get('/route', (request) => clientOf(request)?.name))
  const { origin } = await startHttp({ provider, authentication: authentication(), route }, { ...options, tlsClientCa })
  return async ({ cert, key }: Partial<Issued>, token?: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const { status, body } = await tlsClientOf(origin, server, { cert, key })('/route', { headers })
    return status === 200 ? body : status
  }
}

test.each<[string, string | number, Partial<Issued>, string?]>([
  ['a known certificate', 'ops', ops],
  ['a known token and a known certificate', 'billing', ops, 'billing-token'],
  ['an unknown token and a known certificate', 401, ops, 'unknown'],
  ['an unknown certificate', 401, unknown],
  ['a certificate without a name', 401, nameless],
  ['a certificate of another CA', 401, forged],
  ['a known token and a certificate of another CA', 'billing', forged, 'billing-token'],
  ['neither', 401, {}],
])('a request with %s gets %j', async (_, expected, certificate, token) => {
  const ask = await secured(clients({ clients: new Sensitive(JSON.stringify(document)) }))

  expect(await ask(certificate, token)).toBe(expected)
})

test.each([
  ['any credentials', {}],
  ['a valid certificate', forged],
  ['a name in its certificate', nameless],
])('a request without %s is rejected, even if the provider admits everything', async (_, certificate) => {
  const ask = await secured((bus) =>
    bus.provide(identifyClient, () => ({ name: 'any', may: new Set(), mayRead: () => true })),
  )

  expect(await ask(certificate)).toBe(401)
  expect(await ask(unknown)).toBe('any')
})
