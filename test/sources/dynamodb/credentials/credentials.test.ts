import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { credentials, kindOf } from '../../../../src/sources/dynamodb/credentials/credentials.ts'
import { recordedBus } from '../../../../src/testing/recorded-bus.ts'
import {
  container,
  credentialsDocument,
  instance,
  secretAccessKey,
  webIdentityAnswer,
} from '../../../support/dynamodb/metadata-server.ts'
import { longTerm, region, startSignedReads, temporary } from '../../../support/dynamodb/signed-reads.ts'
import { hangingCommand } from '../../../support/hanging-command.ts'
import { respondWith, respondWithError, startFaultyServer } from '../../../support/http/faulty-server.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { temporaryFile } from '../../../support/temporary-file.ts'

/** A client that finds its credentials in this environment. */
async function client(env: NodeJS.ProcessEnv) {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  const { endpoint, signatures } = await startSignedReads()
  const { bus, records } = recordedBus()
  const clock = new ManualClock()
  const stopped = new AbortController()
  const client = new DynamoDBClient({ endpoint, region, credentials: credentials(bus, stopped.signal, clock) })
  onTestFinished(() => {
    stopped.abort()
    client.destroy()
  })
  const read = async () => {
    await client.send(new GetItemCommand({ TableName: 'devops-challenge', Key: { code_name: { S: 'thedoctor' } } }))
  }
  return {
    read,
    signatures,
    clock,
    messages: () => records.map(({ level, message }) => `${level}: ${message}`),
    records,
    /** Searches again. */
    renew: () => client.config.credentials({ forceRefresh: true }),
    stop: () => stopped.abort(),
    /** The message of the failure of a read, after checking that it has no confidential value. */
    failure: async () => {
      const error = await read().catch((error) => error)
      expect(inspect([error, records], { depth: 10, showHidden: true })).not.toContain('classified')
      return String(error.message)
    },
  }
}

const inProfile = (...lines: string[]) => `[default]\n${lines.join('\n')}\n`
const keyInFile = (accessKeyId: string) =>
  inProfile(`aws_access_key_id = ${accessKeyId}`, `aws_secret_access_key = ${secretAccessKey}`)

/** The environment with a profile whose credentials come from this shell command. */
const fromCommand = async (command: string) => ({
  AWS_CONFIG_FILE: await temporaryFile(inProfile(`credential_process = ${command}`)),
})

/** The output of a credential process. */
const printed = (accessKeyId: string) =>
  JSON.stringify({ Version: 1, ...JSON.parse(credentialsDocument(accessKeyId)) }).replace('"Token"', '"SessionToken"')

beforeEach(() => {
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  vi.stubEnv('AWS_CONFIG_FILE', '/nowhere')
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nowhere')
})

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('the log', () => {
  const fromProcess = async () => fromCommand(`cat ${await temporaryFile(printed('AKIDOTHER'))}`)

  const fromWebIdentity = async () => ({
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/reader',
    AWS_WEB_IDENTITY_TOKEN_FILE: await temporaryFile('classified-identity'),
    AWS_ENDPOINT_URL_STS: (await startFaultyServer(webIdentityAnswer('AKIDOTHER'))).endpoint,
  })

  const fromContainer = async () =>
    container.env((await startFaultyServer(container.answer(credentialsDocument('AKIDOTHER')))).endpoint)

  test.each([
    ['a credential process', fromProcess],
    ['a web identity', fromWebIdentity],
    ['the container metadata', fromContainer],
  ])('names %s, with its access key id only', async (provider, envOf) => {
    const { read, signatures, records } = await client(await envOf())

    await Promise.all([read(), read()])

    expect(signatures()).toEqual([temporary('AKIDOTHER'), temporary('AKIDOTHER')])
    const message = `Using credentials from ${provider}`
    expect(records).toEqual([{ level: 'info', message, fields: { accessKeyId: 'AKIDOTHER' } }])
  })

  test('names a new provider, but not new credentials of the same one', async () => {
    const keys = await temporaryFile(keyInFile('AKID1'))
    const { renew, records } = await client({ AWS_SHARED_CREDENTIALS_FILE: keys })
    await renew()
    await writeFile(keys, keyInFile('AKID2'))
    await renew()
    await writeFile(keys, inProfile(`credential_process = cat ${await temporaryFile(printed('AKID3'))}`))
    await renew()

    expect(records.map(({ message, fields }) => [message, fields])).toEqual([
      ['Using credentials from the shared files', { accessKeyId: 'AKID1' }],
      ['Using credentials from a credential process', { accessKeyId: 'AKID3' }],
    ])
  })

  test.each([
    [['CREDENTIALS_STS_ASSUME_ROLE', 'CREDENTIALS_PROFILE_SOURCE_PROFILE'], 'an assumed role'],
    [['CREDENTIALS_SSO', 'CREDENTIALS_PROFILE_SSO'], 'single sign-on'],
    [['CREDENTIALS_SSO_LEGACY', 'CREDENTIALS_PROFILE_SSO_LEGACY'], 'single sign-on'],
    [['CREDENTIALS_LOGIN', 'CREDENTIALS_PROFILE_LOGIN'], 'a console login'],
    [['CREDENTIALS_PROFILE'], undefined],
  ])('describes the marks %j of the SDK as %s', (marks, kind) => {
    const $source = Object.fromEntries(marks.map((mark) => [mark, 'x']))

    expect(kindOf({ accessKeyId: 'AKID', secretAccessKey, $source })).toBe(kind)
  })
})

describe('a search that takes long', () => {
  /** A container endpoint that responds on demand. */
  async function pendingContainer() {
    const pending: ServerResponse[] = []
    const server = await startFaultyServer((_, response) => pending.push(response))
    return { pending, env: container.env(server.endpoint) }
  }

  test('is logged after 5 s, with the provider that it waits for', async () => {
    const { pending, env } = await pendingContainer()
    const { read, clock, messages } = await client(env)
    const reads = [read(), read()]
    await expect.poll(() => pending.length).toBe(1)
    await clock.advance(4_999)
    expect(messages()).toEqual([])

    await clock.advance(1)

    expect(messages()).toEqual(['warn: Still searching for AWS credentials, waiting for the container metadata'])
    pending[0]?.end(credentialsDocument('AKIDLATE'))
    await Promise.all(reads)
    expect(messages().slice(1)).toEqual(['info: Using credentials from the container metadata'])
  })

  test('fails after 20 s and lists the providers; the next read searches again', async () => {
    const { pending, env } = await pendingContainer()
    const { read, clock, messages, signatures } = await client(env)
    const first = read().catch(({ message }) => message)
    await expect.poll(() => pending.length).toBe(1)
    await clock.advance(5_000)

    await clock.advance(15_000)

    expect(await first).toMatch(
      /^Failed to find AWS credentials: the environment: .*; the shared files: .*; a web identity: .*; the container metadata: no response within 20 s$/,
    )
    expect(messages().slice(1)).toEqual([`warn: ${await first}`])
    const second = read()
    await expect.poll(() => pending.length).toBe(2)
    pending[1]?.end(credentialsDocument('AKIDSECOND'))
    await second
    pending[0]?.end(credentialsDocument('AKIDFIRST'))
    await read()
    expect(signatures()).toEqual([temporary('AKIDSECOND'), temporary('AKIDSECOND')])
  })

  test('leaves no timer behind when it ends', async () => {
    const { read, clock } = await client({ AWS_SHARED_CREDENTIALS_FILE: await temporaryFile(keyInFile('AKID')) })

    await read()

    expect(clock.sleeping).toEqual([])
  })
})

describe('a search that finds nothing', () => {
  test('lists the providers', async () => {
    const { failure, messages } = await client({})

    expect(await failure()).toBe(
      'Failed to find AWS credentials: the environment: Unable to find environment variable credentials; ' +
        'the shared files: Could not resolve credentials using profile: [default] in configuration/credentials file(s); ' +
        'a web identity: Web identity configuration not specified; ' +
        'the instance metadata: disabled by AWS_EC2_METADATA_DISABLED',
    )
    expect(messages()).toEqual([])
  })

  test('names a missing profile', async () => {
    const { failure } = await client({ AWS_PROFILE: 'tardis' })

    expect(await failure()).toMatch(
      /the environment: ignored because AWS_PROFILE is set; the shared files: .*profile: \[tardis\]/,
    )
  })

  test.each([
    ['echo classified; echo classified >&2; exit 3', 'credential_process exited with code 3'],
    ['no-such-command classified', 'credential_process exited with code 127'],
    ['kill -TERM $$; echo classified', 'credential_process was killed by SIGTERM'],
    [`echo '{"classified'`, 'Profile default credential_process returned invalid JSON'],
    [`echo '{"Version":2,"AccessKeyId":"classified"}'`, 'Profile default credential_process did not return Version 1'],
    ['yes classified', 'credential_process printed more than 1 MiB'],
  ])('describes the failure of the credential process %j, without its output', async (command, reason) => {
    const { failure } = await client(await fromCommand(command))

    expect(await failure()).toContain(`the shared files: ${reason}; `)
  })

  test.each([
    ['container', container, respondWithError('classified', 403, 'classified'), 'Server responded with status: 403'],
    ['instance', instance, respondWith('classified', 404), /Error response received .* \(HTTP 404\)/],
    ['instance', instance, respondWith('classified'), 'invalid response'],
  ])('reports the response of the %s metadata without quoting it', async (name, metadata, answer, reason) => {
    const { endpoint } = await startFaultyServer(answer)
    const { failure } = await client(metadata.env(endpoint))

    const [, text] = (await failure()).split(`the ${name} metadata: `)

    expect(text).toMatch(reason)
  })

  test('reports the AWS error that denies a role', async () => {
    const denied =
      '<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized\n\nclassified</Message></Error></ErrorResponse>'
    const { endpoint } = await startFaultyServer((_, response) => {
      response.writeHead(403, { 'content-type': 'text/xml' }).end(denied)
    })
    const { failure } = await client({
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/reader',
      AWS_WEB_IDENTITY_TOKEN_FILE: await temporaryFile('classified-identity'),
      AWS_ENDPOINT_URL_STS: endpoint,
    })

    expect(await failure()).toMatch(/a web identity: AccessDenied: Not authorized$/)
  })
})

describe('a credential process', () => {
  test('is killed with its child processes when the search fails after 20 s', async () => {
    const { command, running } = await hangingCommand()
    const { read, clock } = await client(await fromCommand(command))
    const failed = read().catch(({ message }) => message)
    await expect.poll(running).toHaveLength(2)

    await clock.advance(20_000)

    expect(await failed).toContain('the shared files: no response within 20 s')
    await expect.poll(running).toEqual([])
  })

  test('is killed with its child processes when the source stops', async () => {
    const { command, running } = await hangingCommand()
    const { read, stop, messages } = await client(await fromCommand(command))
    const failed = read().catch((error) => error)
    await expect.poll(running).toHaveLength(2)

    stop()

    await failed
    await expect.poll(running).toEqual([])
    expect(messages()).toEqual([])
  })

  test('is killed when this process exits without stopping', async () => {
    const { command, running } = await hangingCommand()
    const module = new URL('../../../../src/sources/dynamodb/credentials/credential-process.ts', import.meta.url)
    const code = `
      import { externalDataInterceptor } from '@smithy/core/config'
      import { withCredentialProcesses } from '${module}'
      process.on('SIGTERM', () => process.exit(5))
      const { signal } = new AbortController()
      withCredentialProcesses(signal, () => externalDataInterceptor.getTokenRecord().exec('${command}', () => {}))`
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: 'inherit' })
    await expect.poll(running, { timeout: 10_000 }).toHaveLength(2)

    parent.kill('SIGTERM')

    expect(await once(parent, 'exit')).toEqual([5, null])
    await expect.poll(running).toEqual([])
  })

  test('that ends leaves no processes behind', async () => {
    const { command, running } = await hangingCommand(`cat ${await temporaryFile(printed('AKIDPROCESS'))}`)
    const { read, signatures } = await client(await fromCommand(command))

    await read()

    expect(signatures()).toEqual([temporary('AKIDPROCESS')])
    await expect.poll(running).toEqual([])
  })
})

describe('renewing the credentials', () => {
  test('reads the shared files again', async () => {
    const keys = await temporaryFile(keyInFile('AKIDOLD'))
    const { read, renew, signatures } = await client({ AWS_SHARED_CREDENTIALS_FILE: keys })
    await read()
    await writeFile(keys, keyInFile('AKIDNEW'))
    await read()

    await renew()

    await read()
    expect(signatures()).toEqual(['AKIDOLD', 'AKIDOLD', 'AKIDNEW'].map(longTerm))
  })

  test('that finds nothing fails, and keeps the credentials', async () => {
    const keys = await temporaryFile(keyInFile('AKIDOLD'))
    const { read, renew, signatures } = await client({ AWS_SHARED_CREDENTIALS_FILE: keys })
    await read()
    await writeFile(keys, 'classified')

    await expect(renew()).rejects.toThrow('Failed to find AWS credentials: ')

    await read()
    expect(signatures()).toEqual(['AKIDOLD', 'AKIDOLD'].map(longTerm))
  })

  test('is not needed for a file that did not exist at first', async () => {
    const keys = await temporaryFile('')
    const { read, signatures } = await client({ AWS_SHARED_CREDENTIALS_FILE: keys })
    await expect(read()).rejects.toThrow('Failed to find AWS credentials: ')
    await writeFile(keys, keyInFile('AKIDLATE'))

    await read()

    expect(signatures()).toEqual([longTerm('AKIDLATE')])
  })
})
