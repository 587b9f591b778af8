import { describe, expect, test } from 'vitest'
import { healthcheck } from '../../../src/runtime/cli/healthcheck.ts'
import { certificateFiles, newCertificate } from '../../support/http/certificate.ts'
import { saying, silent, startFaultyServer } from '../../support/http/faulty-server.ts'
import { startedService } from '../../support/service/started-service.ts'

const portOf = (address: string) => Number(new URL(address).port)

describe('the command', () => {
  test('says that a service is healthy which listens everywhere, as the same variables tell both', async () => {
    const env = { SECRET_BUS_HOST: '0.0.0.0', SECRET_BUS_AUTH_TOKEN: 'token', AWS_REGION: 'eu-central-1' }
    const port = portOf(await startedService(['--port', '0'], env).address())

    const check = startedService(['healthcheck', '--port', String(port)], env)

    expect(await check.exited).toBe(0)
    expect(check.stdout).toEqual(['healthy'])
    expect(check.stderr).toEqual([])
  })

  test('says of a service that is not there where it looked and what it met, and exits with 1', async () => {
    const { endpoint, close } = await startFaultyServer(silent)
    await close()

    const check = startedService(['healthcheck', '--port', String(portOf(endpoint))])

    expect(await check.exited).toBe(1)
    expect(check.stderr).toEqual([expect.stringContaining(`not healthy: ${endpoint}/health: connect ECONNREFUSED`)])
    expect(check.stdout).toEqual([])
  })
})

describe('a service', () => {
  const askedAt = (endpoint: string, options = {}) =>
    healthcheck({ host: '127.0.0.1', port: portOf(endpoint), ...options })

  test('that speaks HTTPS is asked by it, whatever name the certificate is for', async () => {
    const { tlsCert, tlsKey } = (await certificateFiles(await newCertificate())).options
    const args = ['--port', '0', '--region', 'eu-central-1', '--tls-cert', tlsCert, '--tls-key', tlsKey]
    const address = await startedService(args).address()

    await expect(askedAt(address, { tlsCert })).resolves.toBeUndefined()
  })

  test('that answers with another status is not healthy', async () => {
    const { endpoint } = await startFaultyServer(saying('', 503))

    await expect(askedAt(endpoint)).rejects.toThrow(/not healthy: .*: status 503$/)
  })

  test('that does not answer is not healthy', async () => {
    const { endpoint } = await startFaultyServer(silent)

    await expect(askedAt(endpoint)).rejects.toThrow(/not healthy: .*timeout/)
  })

  test.each([
    ['0.0.0.0', 'http://127.0.0.1:1/health'],
    ['::', 'http://[::1]:1/health'],
    ['::1', 'http://[::1]:1/health'],
    ['localhost', 'http://localhost:1/health'],
  ])('on %s is asked at %s', async (host, url) => {
    await expect(healthcheck({ host, port: 1 })).rejects.toThrow(`not healthy: ${url}: `)
  })
})
