/** Calls to AWS through a proxy, and with other certificate authorities. */
import { request } from 'node:http'
import { createServer } from 'node:https'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { fetchSecret } from '../../../src/channels.ts'
import { UnusableFile } from '../../../src/errors.ts'
import { newDispatcher } from '../../../src/sources/dynamodb/dispatcher.ts'
import { type DynamodbOptions, dynamodb } from '../../../src/sources/dynamodb/dynamodb.ts'
import { proxyOf } from '../../../src/sources/dynamodb/proxy.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { credentials, startDynamodb, table } from '../../support/dynamodb/dynamodb.ts'
import { certificateFiles, newCertificate } from '../../support/http/certificate.ts'
import { startForwardProxy } from '../../support/http/forward-proxy.ts'
import { listen } from '../../support/http/listen.ts'
import { temporaryFile } from '../../support/temporary-file.ts'

/** A host that only the proxy can reach. */
const host = 'dynamodb.example'
const timeouts = { connectTimeout: 1_000, requestTimeout: 1_000 }

beforeEach(() => {
  for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
})

afterEach(() => {
  vi.unstubAllEnvs()
})

async function emulator(): Promise<string> {
  const { endpoint, putSecret, close } = await startDynamodb()
  onTestFinished(close)
  await putSecret('thedoctor', 'run')
  return endpoint
}

/** The emulator behind TLS, with a file that contains its certificate. */
async function secureEmulator() {
  const origin = await emulator()
  const certificate = await newCertificate({ names: [host] })
  const server = createServer(certificate, (incoming, response) => {
    const { method, headers } = incoming
    const forwarded = request(origin, { method, headers }, (reply) => {
      response.writeHead(reply.statusCode ?? 500, reply.headers)
      reply.pipe(response)
    })
    incoming.pipe(forwarded)
  })
  const { endpoint, close } = await listen(server)
  onTestFinished(close)
  const { options } = await certificateFiles(certificate)
  return { origin: endpoint.replace('http:', 'https:'), caBundle: options.tlsCert }
}

/** The value that the source reads with these options, or the code of its failure. */
async function readWith(options: Partial<DynamodbOptions>, environment: Record<string, string> = {}) {
  const { bus } = recordedBus({
    dynamodb: dynamodb({
      table,
      keyAttribute: 'code_name',
      valueAttribute: 'secret_code',
      consistentRead: false,
      maxAttempts: 1,
      region: 'eu-central-1',
      ...timeouts,
      ...options,
      proxy: proxyOf(environment),
    }),
  })
  onTestFinished(async () => void (await bus.exit()))
  await bus.start()
  return bus.request(fetchSecret, { codeName: 'thedoctor' }).then(
    ({ value }) => value.reveal(),
    (error: unknown) => error,
  )
}

describe('a proxy', () => {
  test.each(['HTTP_PROXY', 'http_proxy'])('of %s is used for http:// endpoints', async (variable) => {
    const { endpoint, targets } = await startForwardProxy(await emulator())

    expect(await readWith({ dynamodbEndpoint: `http://${host}:8000` }, { [variable]: endpoint })).toBe('run')
    expect(targets).toEqual([`${host}:8000`])
  })

  test('of HTTPS_PROXY is used for https:// endpoints, whose certificate is verified', async () => {
    const { origin, caBundle } = await secureEmulator()
    const { endpoint, targets } = await startForwardProxy(origin)
    const environment = { HTTPS_PROXY: endpoint, HTTP_PROXY: 'http://127.0.0.1:1' }

    expect(await readWith({ dynamodbEndpoint: `https://${host}`, caBundle }, environment)).toBe('run')
    expect(targets).toEqual([`${host}:443`])
    expect(await readWith({ dynamodbEndpoint: `https://${host}` }, environment)).toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringMatching(/certificate/),
    })
  })

  test('may require a password, which is not shown', async () => {
    const { endpoint, authorizations } = await startForwardProxy(await emulator())
    const url = endpoint.replace('http://', 'http://user:p%40ss@')

    expect(await readWith({ dynamodbEndpoint: `http://${host}` }, { HTTP_PROXY: url })).toBe('run')
    expect(authorizations).toEqual([`Basic ${Buffer.from('user:p@ss').toString('base64')}`])
  })

  test('that refuses to connect is a failure of the source, not a timeout', async () => {
    const { endpoint } = await startForwardProxy(undefined)

    expect(await readWith({ dynamodbEndpoint: `http://${host}` }, { HTTP_PROXY: endpoint })).toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: expect.stringMatching(/Proxy response \(407\)/),
    })
  })

  test('that cannot be reached is a failure of the source', async () => {
    const environment = { HTTP_PROXY: 'http://user:sentinel@127.0.0.1:1' }

    const error = await readWith({ dynamodbEndpoint: `http://${host}` }, environment)

    expect(error).toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
    expect(String(error)).not.toContain('sentinel')
  })

  test.each(['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]'])('is not used for %s', async (local) => {
    const { port } = new URL(await emulator())
    const { endpoint, targets } = await startForwardProxy(undefined)

    expect(await readWith({ dynamodbEndpoint: `http://${local}:${port}` }, { HTTP_PROXY: endpoint })).toBe('run')
    expect(targets).toEqual([])
  })

  test.each([host, '.example', '*.example', `other,${host}:80`, '*'])(
    'is not used for hosts of NO_PROXY=%s',
    async (except) => {
      const { endpoint, targets } = await startForwardProxy(await emulator())
      const environment = { HTTP_PROXY: endpoint, NO_PROXY: except }

      // Fails, because the name of the host cannot be resolved.
      expect(await readWith({ dynamodbEndpoint: `http://${host}` }, environment)).toBeInstanceOf(Error)
      expect(targets).toEqual([])
    },
  )

  test.each(['127.1.2.3', '169.254.169.254', '169.254.170.2', '169.254.170.23', '[fd00:ec2::254]'])(
    'is not used for the local address %s',
    async (address) => {
      const { endpoint, targets } = await startForwardProxy(undefined)
      const dispatcher = newDispatcher({ ...timeouts, proxy: proxyOf({ HTTP_PROXY: endpoint }) }, undefined)

      // Whether the address responds depends on the machine.
      await dispatcher
        .request({ origin: `http://${address}:1`, path: '/', method: 'GET', signal: AbortSignal.timeout(100) })
        .catch(() => {})
      await dispatcher.destroy()

      expect(targets).toEqual([])
    },
  )
})

describe('AWS_CA_BUNDLE', () => {
  test('is trusted in addition to the default authorities', async () => {
    const { origin, caBundle } = await secureEmulator()

    expect(await readWith({ dynamodbEndpoint: origin, caBundle })).toBe('run')
    expect(await readWith({ dynamodbEndpoint: origin })).toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
  })

  test('makes the start fail and names the file if it is missing', async () => {
    await expect(readWith({ caBundle: '/no/such/bundle.pem' })).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(/^Failed to read AWS_CA_BUNDLE \/no\/such\/bundle\.pem: /),
    })
  })

  test.each([
    ['empty', ''],
    ['not PEM', 'sentinel'],
    ['not a certificate', '-----BEGIN CERTIFICATE-----\nc2VudGluZWw=\n-----END CERTIFICATE-----\n'],
  ])('fails the start with the file if that is %s', async (_what, content) => {
    const caBundle = await temporaryFile(content)

    await expect(readWith({ caBundle })).rejects.toThrow(
      new UnusableFile(`AWS_CA_BUNDLE ${caBundle} must contain PEM certificates`),
    )
  })
})
