import { writeFile } from 'node:fs/promises'
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
} from '../support/dynamodb/metadata-server.ts'
import {
  longTerm,
  region,
  type Signature,
  type SignedReads,
  startSignedReads,
  storedSecret,
  temporary,
} from '../support/dynamodb/signed-reads.ts'
import { hangingCommand } from '../support/hanging-command.ts'
import { neverRespond, respondWithError, startFaultyServer } from '../support/http/faulty-server.ts'
import { fetchReply, parseProblem, type RawReply } from '../support/http/http.ts'
import type { ServiceProcess } from '../support/service/process.ts'
import { startTestService } from '../support/service/test-service.ts'
import { temporaryFile } from '../support/temporary-file.ts'

interface Service extends ServiceProcess, Pick<SignedReads, 'signatures'> {
  get(path: string): Promise<RawReply>
}

/** Starts the service without caching and at log level trace. It stops when the test finishes. */
async function start(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Service> {
  const { endpoint, signatures } = await startSignedReads()
  const table = ['--dynamodb-endpoint', endpoint, '--request-timeout', '60s']
  const defaults = ['--cache-ttl', '0', '--log-level', 'trace']
  const service = startTestService([...defaults, ...table, ...args], { AWS_REGION: region, ...env })
  const address = await service.address()
  return { ...service, signatures, get: (path) => fetchReply(`${address}${path}`) }
}

/** Stops the service and returns parts of its log, after checking that its output has no confidential values. */
async function logOf(service: ServiceProcess) {
  service.child.kill('SIGTERM')
  expect(await service.exited).toBe(0)
  expect([...service.stdout, ...service.stderr].join('\n')).not.toContain('classified')
  const records: Record<string, string>[] = service.stdout.map((line) => JSON.parse(line))
  return {
    credentials: records.filter(({ msg = '' }) => msg.startsWith('Using credentials')),
    warnings: records.filter(({ level = '' }) => ['warn', 'error', 'fatal'].includes(level)).map(({ msg }) => msg),
  }
}

/** The complete log record about the source of the credentials. */
const credentialsRecord = (provider: string, accessKeyId: string) => {
  return { level: 'info', time: expect.any(String), accessKeyId, msg: `Using credentials from ${provider}` }
}

const served = { status: 200, body: JSON.stringify({ secret_code: storedSecret }) }

const profile = (head: string, accessKeyId: string) =>
  `[${head}]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`

describe('credentials come', () => {
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
    expect(credentials).toEqual([credentialsRecord(provider, String(signature.accessKeyId))])
    expect(warnings).toEqual([])
  }

  test('from the environment first', async () => {
    const service = await start({ ...environment, ...(await sharedFiles()), ...(await metadata()) })

    await expectSignedBy(service, longTerm('AKIDENVIRONMENT'), 'the environment')
  })

  test('from the environment with its session token', async () => {
    const service = await start({ ...environment, AWS_SESSION_TOKEN: sessionTokenOf('AKIDENVIRONMENT') })

    await expectSignedBy(service, temporary('AKIDENVIRONMENT'), 'the environment')
  })

  test('from the shared files next', async () => {
    const service = await start({ ...(await sharedFiles()), ...(await metadata()) })

    await expectSignedBy(service, longTerm('AKIDFILE'), 'the shared files')
  })

  test('from the profile in AWS_PROFILE rather than the environment, with its region', async () => {
    const service = await start({
      ...environment,
      AWS_PROFILE: 'tardis',
      AWS_REGION: undefined,
      AWS_CONFIG_FILE: await temporaryFile('[profile tardis]\nregion = sa-east-1\n'),
      AWS_SHARED_CREDENTIALS_FILE: await temporaryFile(
        profile('default', 'AKIDFILE') + profile('tardis', 'AKIDTARDIS'),
      ),
    })

    await expectSignedBy(service, { ...longTerm('AKIDTARDIS'), region: 'sa-east-1' }, 'the shared files')
  })

  test('from the container metadata next, authorized with the token in a file', async () => {
    const { endpoint, requests } = await startContainer()

    const service = await start({
      ...container.env(endpoint),
      AWS_CONTAINER_AUTHORIZATION_TOKEN: undefined,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: await temporaryFile(containerToken),
      ...instance.env((await startInstance()).endpoint),
    })

    await expectSignedBy(service, temporary('AKIDCONTAINER'), 'the container metadata')
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /v1/credentials'])
  })

  test('from the instance metadata, version 2, last', async () => {
    const { endpoint, requests } = await startInstance()

    const service = await start(instance.env(endpoint))

    await expectSignedBy(service, temporary('AKIDINSTANCE'), 'the instance metadata')
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'PUT /latest/api/token',
      'GET /latest/meta-data/iam/security-credentials/',
      'GET /latest/meta-data/iam/security-credentials/the-role',
    ])
  })
})

test('changed shared files are read on a reload', async () => {
  const file = await temporaryFile(profile('default', 'AKIDOLD'))
  const service = await start({ AWS_SHARED_CREDENTIALS_FILE: file })
  expect(await service.get('/secret')).toMatchObject(served)
  await writeFile(file, profile('default', 'AKIDNEW'))

  service.child.kill('SIGHUP')

  await expect.poll(() => service.signatures().at(-1)).toEqual(longTerm('AKIDNEW'))
  expect(service.signatures()[0]).toEqual(longTerm('AKIDOLD'))
  await logOf(service)
})

test('a credential process that hangs is killed on SIGTERM', async () => {
  const { command, running } = await hangingCommand()
  const config = await temporaryFile(`[default]\ncredential_process = ${command}\n`)
  const service = await start({ AWS_CONFIG_FILE: config })
  await expect.poll(running).toHaveLength(2)

  service.child.kill('SIGTERM')

  expect(await service.exited).toBe(0)
  await expect.poll(running).toEqual([])
})

describe('credentials that expire soon', () => {
  /** In milliseconds. The SDK refreshes credentials in the background when they expire in less than five minutes. */
  const soon = 240_000

  /** Reads until a request is signed with this access key. */
  async function expectSigner(service: Service, accessKeyId: string) {
    const readAgain = async () =>
      (await service.get('/secret')).status === 200 ? service.signatures().at(-1) : undefined
    await expect.poll(readAgain, { timeout: 15_000, interval: 200 }).toEqual(temporary(accessKeyId))
  }

  test.each([
    ['container', container],
    ['instance', instance],
  ])('are refreshed before they expire, and used while the %s metadata is unavailable', async (name, metadata) => {
    const server = await startFaultyServer(metadata.answer(credentialsDocument('AKIDFIRST', soon)))
    const service = await start(metadata.env(server.endpoint))
    await expectSigner(service, 'AKIDFIRST')

    server.answer = respondWithError('classified', 500)
    const before = server.requests.length
    await service.get('/secret')
    await expect.poll(() => server.requests.length, { timeout: 10_000 }).toBeGreaterThan(before)
    expect(await service.get('/secret')).toMatchObject(served)
    expect(service.signatures().at(-1)).toEqual(temporary('AKIDFIRST'))

    server.answer = metadata.answer(credentialsDocument('AKIDSECOND'))
    await expectSigner(service, 'AKIDSECOND')
    const { credentials, warnings } = await logOf(service)
    expect(credentials).toEqual([credentialsRecord(`the ${name} metadata`, 'AKIDFIRST')])
    expect(warnings).toEqual([])
  })
})

describe('a metadata service', () => {
  interface Outage {
    readonly fault: RequestListener
    /** The problem type that clients receive. */
    readonly problem?: string
    readonly fetchTimeout?: string
    /** Ends the outage, in addition to making credentials available. */
    readonly end?: () => void
  }

  /** Checks that the service stays alive, warns once, and serves the secret as soon as there are credentials. */
  async function expectRecovery(metadata: Metadata, outage: Outage) {
    const { fault, problem = 'source-unavailable', fetchTimeout = '60s', end = () => {} } = outage
    const server = await startFaultyServer(fault)
    const service = await start(metadata.env(server.endpoint), '--fetch-timeout', fetchTimeout)

    await service.line(/"level":"warn"/)
    expect(await service.get('/health')).toMatchObject({ status: 200 })
    // Polls, because the first response may be about a source that is still starting.
    const problemType = async () => parseProblem(await service.get('/secret'))['type']
    await expect.poll(problemType).toBe(`urn:secret-bus:problem:${problem}`)

    server.answer = metadata.answer(credentialsDocument('AKIDLATE'))
    end()
    await expect.poll(() => service.get('/secret'), { timeout: 60_000, interval: 200 }).toMatchObject(served)
    expect(service.signatures()).toContainEqual(temporary('AKIDLATE'))
    const { credentials, warnings } = await logOf(service)
    const failures = warnings.filter((warning = '') => !warning.startsWith('Still searching')) // a slow machine
    expect(failures).toEqual([expect.stringMatching(/^Failed to fetch secret thedoctor: /)])
    expect(credentials).toEqual([expect.objectContaining({ accessKeyId: 'AKIDLATE' })])
  }

  const refusing = respondWithError('classified', 403, 'classified')
  const unreadable = '{"AccessKeyId":"AKIDLATE","SecretAccessKey":classified}'
  const slow = { timeout: 120_000 } // many processes start at once

  test('that refuses, sends invalid JSON or does not respond is retried and not quoted', slow, async () => {
    await Promise.all([
      expectRecovery(container, { fault: refusing }),
      expectRecovery(container, { fault: container.answer(unreadable) }),
      expectRecovery(instance, { fault: refusing }),
      expectRecovery(instance, { fault: instance.answer(unreadable) }),
      expectRecovery(instance, { fault: neverRespond }),
    ])
  })

  test('that does not respond delays a read for at most --fetch-timeout', async () => {
    const pending: ServerResponse[] = []
    const fault: RequestListener = (_, response) => pending.push(response)
    // As if the metadata service restarted.
    const end = () => {
      for (const response of pending) response.destroy()
    }

    await expectRecovery(container, { fault, problem: 'source-timeout', fetchTimeout: '500ms', end })
  })
})
