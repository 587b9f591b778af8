import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { healthcheck } from '../../../src/runtime/cli/healthcheck.ts'
import { certificateFiles, clientOf, newCertificate } from '../../support/http/certificate.ts'
import { ClientCa } from '../../support/http/client-ca.ts'
import { neverRespond, respondWith, startFaultyServer } from '../../support/http/faulty-server.ts'
import { startTestService } from '../../support/service/test-service.ts'
import { temporaryFile } from '../../support/temporary-file.ts'

const portOf = (address: string) => Number(new URL(address).port)

describe('the healthcheck command', () => {
  test('reports a healthy service on a wildcard address, given the same environment variables', async () => {
    const env = { SECRET_BUS_HOST: '0.0.0.0', SECRET_BUS_AUTH_TOKEN: 'token', AWS_REGION: 'eu-central-1' }
    const port = portOf(await startTestService(['--port', '0'], env).address())

    const check = startTestService(['healthcheck', '--port', String(port)], env)

    expect(await check.exited).toBe(0)
    expect(check.stdout).toEqual(['healthy'])
    expect(check.stderr).toEqual([])
  })

  test('reports the URL and the reason if the service is unreachable, and exits with 1', async () => {
    const { endpoint, close } = await startFaultyServer(neverRespond)
    await close()

    const check = startTestService(['healthcheck', '--port', String(portOf(endpoint))])

    expect(await check.exited).toBe(1)
    expect(check.stderr).toEqual([expect.stringContaining(`Unhealthy: ${endpoint}/health: connect ECONNREFUSED`)])
    expect(check.stdout).toEqual([])
  })
})

describe('healthcheck', () => {
  const check = (endpoint: string, options = {}) =>
    healthcheck({ host: '127.0.0.1', port: portOf(endpoint), ...options })

  test('rejects a service without an HTTP server', async () => {
    await expect(healthcheck({})).rejects.toThrow('healthcheck requires the options host and port')
  })

  test('uses HTTPS if a certificate is configured, and ignores the name in it', async () => {
    const { tlsCert, tlsKey } = (await certificateFiles(await newCertificate())).options
    const args = ['--port', '0', '--region', 'eu-central-1', '--tls-cert', tlsCert, '--tls-key', tlsKey]
    const address = await startTestService(args).address()

    await expect(check(address, { tlsCert })).resolves.toBeUndefined()
  })

  test('needs no client certificate, even if the service requires one', async () => {
    const { tlsCert, tlsKey } = (await certificateFiles(await newCertificate())).options
    const clientCa = await temporaryFile((await ClientCa.create('clients')).cert)
    const args = ['--port', '0', '--region', 'eu-central-1', '--tls-cert', tlsCert, '--tls-key', tlsKey]
    // Beyond loopback, to which required certificates are sufficient.
    const service = startTestService([...args, '--tls-client-ca', clientCa, '--host', '0.0.0.0'])
    const port = portOf(await service.address())

    await expect(healthcheck({ host: '0.0.0.0', port, tlsCert })).resolves.toBeUndefined()

    const { status } = await clientOf(`https://127.0.0.1:${port}`, { cert: await readFile(tlsCert, 'utf8') })('/secret')
    expect(status).toBe(401)
  })

  test('rejects any other status', async () => {
    const { endpoint } = await startFaultyServer(respondWith('', 503))

    await expect(check(endpoint)).rejects.toThrow(/Unhealthy: .*: status 503$/)
  })

  test('rejects if the service does not respond in time', async () => {
    const { endpoint } = await startFaultyServer(neverRespond)

    await expect(check(endpoint)).rejects.toThrow(/Unhealthy: .*timeout/)
  })

  test.each([
    ['0.0.0.0', 'http://127.0.0.1:1/health'],
    ['::', 'http://[::1]:1/health'],
    ['::1', 'http://[::1]:1/health'],
    ['localhost', 'http://localhost:1/health'],
  ])('checks the host %s at %s', async (host, url) => {
    await expect(healthcheck({ host, port: 1 })).rejects.toThrow(`Unhealthy: ${url}: `)
  })
})
