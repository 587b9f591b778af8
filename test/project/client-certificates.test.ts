/** Runs the commands of the guide to client certificates, and connects with what they create. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import type { Subscriber } from '../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../src/channels.ts'
import { clientCertificates } from '../../src/handlers/guards/client-certificates.ts'
import { certificateIdentities } from '../../src/handlers/server/tls/client-certificate.ts'
import { certificateFiles, clientOf, newCertificate } from '../support/http/certificate.ts'
import { startHttp } from '../support/http/http.ts'
import { snippetsIn } from '../support/project/snippets.ts'

const document = 'docs/DEPLOYING.md'
const guide = await readFile(new URL(`../../${document}`, import.meta.url), 'utf8')
const [, section = ''] = /^## Client certificates\n(.*?)^## /ms.exec(guide) ?? []
const commands = snippetsIn(document, section).map(({ code }) => code)

const route: Subscriber = (bus) =>
  bus.subscribe(httpRoutes, (app) => void app.get('/route', (request) => certificateIdentities(request)))

test('the commands create a CA and a client, which has access until it is revoked', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const run = (script: string) => promisify(execFile)('sh', ['-euc', script], { cwd: folder })
  const read = (name: string) => readFile(join(folder, name), 'utf8')
  const [revoke = '', ...create] = commands.toReversed()
  for (const script of create.toReversed()) await run(script)
  const server = await newCertificate()
  const { options } = await certificateFiles(server)
  const { bus, origin } = await startHttp(
    { 'client-certificates': clientCertificates({ tlsClientAuth: 'required' }), route },
    { ...options, tlsClientCa: join(folder, 'ca.pem'), tlsClientCrl: join(folder, 'crl.pem') },
  )
  const ask = clientOf(origin, server, { cert: await read('billing.pem'), key: await read('billing-key.pem') })

  expect(await ask('/route')).toMatchObject({ status: 200, body: '["spiffe://example/billing","billing"]' })

  await run(revoke)
  await bus.graceful()

  await expect.poll(async () => (await ask('/route')).status).toBe(401)
})
