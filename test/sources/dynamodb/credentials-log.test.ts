import type { ServerResponse } from 'node:http'
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { credentialsLog } from '../../../src/sources/dynamodb/credentials.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import {
  container,
  credentialsDocument,
  secretAccessKey,
  webIdentityAnswer,
} from '../../support/dynamodb/metadata-server.ts'
import { region, startSignedReads, temporary } from '../../support/dynamodb/signed-reads.ts'
import { startFaultyServer } from '../../support/http/faulty-server.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { temporaryFile } from '../../support/temporary-file.ts'

type CredentialsOfClient = NonNullable<ConstructorParameters<typeof DynamoDBClient>[0]>['credentials']

/** A client whose credentials are logged at each read; by default those of the SDK's default chain. */
async function loggedClient({ credentials, env = {} }: { credentials?: CredentialsOfClient; env?: NodeJS.ProcessEnv }) {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  const { endpoint, signatures } = await startSignedReads()
  const { bus, records } = recordedBus()
  const clock = new ManualClock()
  const log = credentialsLog(bus, clock)
  const client = new DynamoDBClient({ endpoint, region, ...(credentials && { credentials }) })
  onTestFinished(() => client.destroy())
  const read = async () => {
    log(client)
    await client.send(new GetItemCommand({ TableName: 'devops-challenge', Key: { code_name: { S: 'thedoctor' } } }))
  }
  return { read, signatures, records, clock }
}

afterEach(() => {
  vi.unstubAllEnvs()
})

test('a search for credentials is restarted after 20 s', async () => {
  const pending: ServerResponse[] = []
  const server = await startFaultyServer((_, response) => pending.push(response))
  const { read, signatures, clock } = await loggedClient({ env: container.env(server.endpoint) })
  const reads = [read()]
  await expect.poll(() => pending.length).toBe(1)

  await clock.advance(20_000)
  reads.push(read())
  await clock.advance(1)
  reads.push(read(), read())
  await expect.poll(() => pending.length).toBe(2)

  pending[1]?.end(credentialsDocument('AKIDSECOND'))
  await Promise.all(reads.slice(2))
  expect(signatures()).toEqual([temporary('AKIDSECOND'), temporary('AKIDSECOND')])
  pending[0]?.end(credentialsDocument('AKIDFIRST'))
  await Promise.all(reads)
  await clock.advance(20_001)
  await read()
  expect(pending).toHaveLength(2)
})

describe('credentialsLog', () => {
  const fromProcess = async () => {
    const output = JSON.stringify({ Version: 1, ...JSON.parse(credentialsDocument('AKIDOTHER')) })
    const command = `cat ${await temporaryFile(output.replace('"Token"', '"SessionToken"'))}`
    return { AWS_CONFIG_FILE: await temporaryFile(`[default]\ncredential_process = ${command}\n`) }
  }

  const fromWebIdentity = async () => ({
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/reader',
    AWS_WEB_IDENTITY_TOKEN_FILE: await temporaryFile('classified-identity'),
    AWS_ENDPOINT_URL_STS: (await startFaultyServer(webIdentityAnswer('AKIDOTHER'))).endpoint,
  })

  test.each([
    ['a credential process', fromProcess],
    ['a web identity', fromWebIdentity],
  ])('logs %s with its access key id only', async (provider, envOf) => {
    const { read, signatures, records } = await loggedClient({ env: await envOf() })

    await read()

    expect(signatures()).toEqual([temporary('AKIDOTHER')])
    const message = `Using credentials from ${provider}`
    expect(records).toEqual([{ level: 'info', message, fields: { accessKeyId: 'AKIDOTHER' } }])
  })

  test.each([
    [['CREDENTIALS_STS_ASSUME_ROLE', 'CREDENTIALS_PROFILE_SOURCE_PROFILE'], 'an assumed role'],
    [['CREDENTIALS_SSO', 'CREDENTIALS_PROFILE_SSO'], 'single sign-on'],
    [['CREDENTIALS_SSO_LEGACY', 'CREDENTIALS_PROFILE_SSO_LEGACY'], 'single sign-on'],
    [['CREDENTIALS_LOGIN', 'CREDENTIALS_PROFILE_LOGIN'], 'a console login'],
    [['CREDENTIALS_CODE'], 'the client configuration'],
    [['CREDENTIALS_NEW', 'CREDENTIALS_PROFILE_NEW'], 'credentials_new, credentials_profile_new'],
  ])('describes the marks %j of the SDK as %s', async (marks, provider) => {
    const $source = Object.fromEntries(marks.map((mark) => [mark, 'x']))
    const found = { accessKeyId: 'AKID', secretAccessKey, $source }
    const { read, records } = await loggedClient({ credentials: async () => found })

    await read()

    expect(records.map(({ message }) => message)).toEqual([`Using credentials from ${provider}`])
  })

  // The SDK does not mark the credentials if the fifth and last attempt to get them from the container succeeds.
  test('attributes credentials without marks to the container, if there is one', async () => {
    const credentials = async () => ({ accessKeyId: 'AKID', secretAccessKey })
    const { read, records } = await loggedClient({ credentials, env: container.env('http://127.0.0.1') })

    await read()

    expect(records.map(({ message }) => message)).toEqual(['Using credentials from the container metadata'])
  })

  test('logs a change of the provider, but not new credentials of the same provider', async () => {
    // Expired, so that the SDK requests new ones at each read.
    const expired = { secretAccessKey, expiration: new Date(0) }
    const found = [
      { ...expired, accessKeyId: 'AKID1', $source: { CREDENTIALS_PROCESS: 'x' } },
      { ...expired, accessKeyId: 'AKID2', $source: { CREDENTIALS_PROCESS: 'x' } },
      { ...expired, accessKeyId: 'AKID3', $source: { CREDENTIALS_SSO: 'x' } },
    ]
    let reads = 0
    const credentials = async () => found[reads] ?? Promise.reject(new Error('unexpected request'))
    const { read, signatures, records } = await loggedClient({ credentials })

    for (; reads < found.length; reads += 1) await read()

    expect(signatures().map(({ accessKeyId }) => accessKeyId)).toEqual(['AKID1', 'AKID2', 'AKID3'])
    expect(records.map(({ message, fields }) => [message, fields])).toEqual([
      ['Using credentials from a credential process', { accessKeyId: 'AKID1' }],
      ['Using credentials from single sign-on', { accessKeyId: 'AKID3' }],
    ])
  })
})
