import type { RequestListener, ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import {
  container,
  containerToken,
  credentialsDocument,
  instance,
  type Metadata,
  secretAccessKey,
  sessionTokenOf,
} from '../../support/dynamodb/metadata-server.ts'
import {
  lasting,
  region,
  type Signature,
  type SignedReads,
  startSignedReads,
  storedSecret,
  temporary,
} from '../../support/dynamodb/signed-reads.ts'
import { failing, silent, startFaultyServer } from '../../support/http/faulty-server.ts'
import { ask, problemIn, type RawReply } from '../../support/http/http.ts'
import type { ServiceProcess } from '../../support/service/process.ts'
import { startedService } from '../../support/service/started-service.ts'
import { temporaryFile } from '../../support/temporary-file.ts'

interface Service extends ServiceProcess, Pick<SignedReads, 'signatures'> {
  get(path: string): Promise<RawReply>
}

/** Starts the service, which reads at every request and logs all it can. When the test is finished it is ended. */
async function start(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Service> {
  const { endpoint, signatures } = await startSignedReads()
  const table = ['--dynamodb-endpoint', endpoint, '--request-timeout', '60s']
  const always = ['--cache-ttl', '0', '--log-level', 'trace']
  const service = startedService([...always, ...table, ...args], { AWS_REGION: region, ...env })
  const address = await service.address()
  return { ...service, signatures, get: (path) => ask(`${address}${path}`) }
}

/** Ends the service. What it has logged, in which nothing is classified, as in whatever else it wrote. */
async function logOf(service: ServiceProcess) {
  service.child.kill('SIGTERM')
  expect(await service.exited).toBe(0)
  expect([...service.stdout, ...service.stderr].join('\n')).not.toContain('classified')
  const records: Record<string, string>[] = service.stdout.map((line) => JSON.parse(line))
  return {
    credentials: records.filter(({ msg = '' }) => msg.startsWith('Credentials')),
    warnings: records.filter(({ level = '' }) => ['warn', 'error', 'fatal'].includes(level)).map(({ msg }) => msg),
  }
}

/** The line of the log that says where credentials are from, and all that is in it. */
const line = (provider: string, accessKeyId: string) => {
  return { level: 'info', time: expect.any(String), accessKeyId, msg: `Credentials are from ${provider}` }
}

const served = { status: 200, body: JSON.stringify({ secret_code: storedSecret }) }

const profile = (head: string, accessKeyId: string) =>
  `[${head}]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`

describe('credentials are taken', () => {
  const environment = { AWS_ACCESS_KEY_ID: 'AKIDENVIRONMENT', AWS_SECRET_ACCESS_KEY: secretAccessKey }
  const sharedFiles = async () => ({ AWS_SHARED_CREDENTIALS_FILE: await temporaryFile(profile('default', 'AKIDFILE')) })
  const startContainer = () => startFaultyServer(container.answer(credentialsDocument('AKIDCONTAINER')))
  const startInstance = () => startFaultyServer(instance.answer(credentialsDocument('AKIDINSTANCE')))
  const metadata = async () => ({
    ...container.env((await startContainer()).endpoint),
    ...instance.env((await startInstance()).endpoint),
  })

  async function expectSignedBy(service: Service, signature: Signature, provider: string) {
    expect(await service.get('/secret')).toMatchObject(served)
    expect(await service.get('/secret')).toMatchObject(served)
    const signatures = service.signatures()
    expect(signatures).toEqual(signatures.map(() => signature))
    const { credentials, warnings } = await logOf(service)
    expect(credentials).toEqual([line(provider, String(signature.accessKeyId))])
    expect(warnings).toEqual([])
  }

  test('from the environment, whatever else there is', async () => {
    const service = await start({ ...environment, ...(await sharedFiles()), ...(await metadata()) })

    await expectSignedBy(service, lasting('AKIDENVIRONMENT'), 'the environment')
  })

  test('from the environment with their session token, where it has one', async () => {
    const service = await start({ ...environment, AWS_SESSION_TOKEN: sessionTokenOf('AKIDENVIRONMENT') })

    await expectSignedBy(service, temporary('AKIDENVIRONMENT'), 'the environment')
  })

  test('from the shared files, where the environment has none', async () => {
    const service = await start({ ...(await sharedFiles()), ...(await metadata()) })

    await expectSignedBy(service, lasting('AKIDFILE'), 'the shared files')
  })

  test('from the profile that the environment names before its own, and the region with them', async () => {
    const service = await start({
      ...environment,
      AWS_PROFILE: 'tardis',
      AWS_REGION: undefined,
      AWS_CONFIG_FILE: await temporaryFile('[profile tardis]\nregion = sa-east-1\n'),
      AWS_SHARED_CREDENTIALS_FILE: await temporaryFile(
        profile('default', 'AKIDFILE') + profile('tardis', 'AKIDTARDIS'),
      ),
    })

    await expectSignedBy(service, { ...lasting('AKIDTARDIS'), region: 'sa-east-1' }, 'the shared files')
  })

  test('from the metadata of the container, by the token in a file, where neither has any', async () => {
    const { endpoint, requests } = await startContainer()

    const service = await start({
      ...container.env(endpoint),
      AWS_CONTAINER_AUTHORIZATION_TOKEN: undefined,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: await temporaryFile(containerToken),
      ...instance.env((await startInstance()).endpoint),
    })

    await expectSignedBy(service, temporary('AKIDCONTAINER'), 'the metadata of the container')
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /v1/credentials'])
  })

  test('from the metadata of the instance, in their second version, where nobody else has any', async () => {
    const { endpoint, requests } = await startInstance()

    const service = await start(instance.env(endpoint))

    await expectSignedBy(service, temporary('AKIDINSTANCE'), 'the metadata of the instance')
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'PUT /latest/api/token',
      'GET /latest/meta-data/iam/security-credentials/',
      'GET /latest/meta-data/iam/security-credentials/the-role',
    ])
  })
})

describe('credentials that end soon', () => {
  /** The SDK asks for others when they are good for less than five minutes, and does not wait for the answer. */
  const soon = 240_000

  /** Reads until this signs. */
  async function expectSigner(service: Service, accessKeyId: string) {
    const readAgain = async () =>
      (await service.get('/secret')).status === 200 ? service.signatures().at(-1) : undefined
    await expect.poll(readAgain, { timeout: 15_000, interval: 200 }).toEqual(temporary(accessKeyId))
  }

  test.each([
    ['container', container],
    ['instance', instance],
  ])('are replaced before they do, and used while the metadata of the %s cannot be had', async (name, metadata) => {
    const server = await startFaultyServer(metadata.answer(credentialsDocument('AKIDFIRST', soon)))
    const service = await start(metadata.env(server.endpoint))
    await expectSigner(service, 'AKIDFIRST')

    server.answer = failing('classified', 500)
    const asked = server.requests.length
    await service.get('/secret')
    await expect.poll(() => server.requests.length, { timeout: 10_000 }).toBeGreaterThan(asked)
    expect(await service.get('/secret')).toMatchObject(served)
    expect(service.signatures().at(-1)).toEqual(temporary('AKIDFIRST'))

    server.answer = metadata.answer(credentialsDocument('AKIDSECOND'))
    await expectSigner(service, 'AKIDSECOND')
    const { credentials, warnings } = await logOf(service)
    expect(credentials).toEqual([line(`the metadata of the ${name}`, 'AKIDFIRST')])
    expect(warnings).toEqual([])
  })
})

describe('a metadata service', () => {
  interface Outage {
    readonly fault: RequestListener
    /** How it is told to a client. */
    readonly problem?: string
    readonly fetchTimeout?: string
    /** What ends it, beside that the metadata are there. */
    readonly end?: () => void
  }

  /** What anybody sees of the service: it is alive, warns once, and serves as soon as there are credentials. */
  async function expectPatience(metadata: Metadata, outage: Outage) {
    const { fault, problem = 'source-unavailable', fetchTimeout = '60s', end = () => {} } = outage
    const server = await startFaultyServer(fault)
    const service = await start(metadata.env(server.endpoint), '--fetch-timeout', fetchTimeout)

    await service.line(/"level":"warn"/)
    expect(await service.get('/health')).toMatchObject({ status: 200 })
    const told = async () => problemIn(await service.get('/secret'))['type'] // until all is loaded, that may be another
    await expect.poll(told).toBe(`urn:secret-bus:problem:${problem}`)

    server.answer = metadata.answer(credentialsDocument('AKIDLATE'))
    end()
    await expect.poll(() => service.get('/secret'), { timeout: 60_000, interval: 200 }).toMatchObject(served)
    expect(service.signatures()).toContainEqual(temporary('AKIDLATE'))
    const { credentials, warnings } = await logOf(service)
    expect(warnings).toEqual([expect.stringMatching(/^Secret thedoctor was not fetched: /)])
    expect(credentials).toEqual([expect.objectContaining({ accessKeyId: 'AKIDLATE' })])
  }

  const refusing = failing('classified', 403, 'classified')
  const unreadable = '{"AccessKeyId":"AKIDLATE","SecretAccessKey":classified}'
  const longer = { timeout: 120_000 } // many processes start at once

  test('that refuses, talks nonsense or is silent is waited for, and nothing of it is told', longer, async () => {
    await Promise.all([
      expectPatience(container, { fault: refusing }),
      expectPatience(container, { fault: container.answer(unreadable) }),
      expectPatience(instance, { fault: refusing }),
      expectPatience(instance, { fault: instance.answer(unreadable) }),
      expectPatience(instance, { fault: silent }),
    ])
  })

  test('that is silent holds a reading up for no longer than --fetch-timeout', async () => {
    const held: ServerResponse[] = []
    const fault: RequestListener = (_, response) => held.push(response)
    // As when the metadata service is startedService again.
    const end = () => {
      for (const response of held) response.destroy()
    }

    await expectPatience(container, { fault, problem: 'source-timeout', fetchTimeout: '500ms', end })
  })
})
