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

/** A client in this process, its credentials logged at each reading: those of the SDK's chain, if none are given. */
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

test('a search for credentials that does not end is begun again, once any other would have ended', async () => {
  const held: ServerResponse[] = []
  const server = await startFaultyServer((_, response) => held.push(response))
  const { read, signatures, clock } = await loggedClient({ env: container.env(server.endpoint) })
  const readings = [read()]
  await expect.poll(() => held.length).toBe(1)

  await clock.advance(20_000)
  readings.push(read())
  await clock.advance(1)
  readings.push(read(), read())
  await expect.poll(() => held.length).toBe(2)

  held[1]?.end(credentialsDocument('AKIDSECOND'))
  await Promise.all(readings.slice(2))
  expect(signatures()).toEqual([temporary('AKIDSECOND'), temporary('AKIDSECOND')])
  held[0]?.end(credentialsDocument('AKIDFIRST'))
  await Promise.all(readings)
  await clock.advance(20_001)
  await read()
  expect(held).toHaveLength(2)
})

describe('the log of credentials', () => {
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
  ])('names %s too, and its access key id alone', async (provider, envOf) => {
    const { read, signatures, records } = await loggedClient({ env: await envOf() })

    await read()

    expect(signatures()).toEqual([temporary('AKIDOTHER')])
    const message = `Credentials are from ${provider}`
    expect(records).toEqual([{ level: 'info', message, fields: { accessKeyId: 'AKIDOTHER' } }])
  })

  test.each([
    [['CREDENTIALS_STS_ASSUME_ROLE', 'CREDENTIALS_PROFILE_SOURCE_PROFILE'], 'an assumed role'],
    [['CREDENTIALS_SSO', 'CREDENTIALS_PROFILE_SSO'], 'single sign-on'],
    [['CREDENTIALS_SSO_LEGACY', 'CREDENTIALS_PROFILE_SSO_LEGACY'], 'single sign-on'],
    [['CREDENTIALS_LOGIN', 'CREDENTIALS_PROFILE_LOGIN'], 'a login'],
    [['CREDENTIALS_CODE'], 'the program'],
    [['CREDENTIALS_NEW', 'CREDENTIALS_PROFILE_NEW'], 'credentials_new, credentials_profile_new'],
  ])('makes of what the SDK notes, %j, %s', async (notes, provider) => {
    const $source = Object.fromEntries(notes.map((note) => [note, 'x']))
    const found = { accessKeyId: 'AKID', secretAccessKey, $source }
    const { read, records } = await loggedClient({ credentials: async () => found })

    await read()

    expect(records.map(({ message }) => message)).toEqual([`Credentials are from ${provider}`])
  })

  // The SDK asks the container a fifth time when four have failed, and notes nothing of what it is given then.
  test('takes credentials without a note for those of the container, where there is one', async () => {
    const credentials = async () => ({ accessKeyId: 'AKID', secretAccessKey })
    const { read, records } = await loggedClient({ credentials, env: container.env('http://127.0.0.1') })

    await read()

    expect(records.map(({ message }) => message)).toEqual(['Credentials are from the metadata of the container'])
  })

  test('has a line for another provider, and none for other credentials of the same', async () => {
    // Good no longer, so that the SDK asks at each reading.
    const ended = { secretAccessKey, expiration: new Date(0) }
    const found = [
      { ...ended, accessKeyId: 'AKID1', $source: { CREDENTIALS_PROCESS: 'x' } },
      { ...ended, accessKeyId: 'AKID2', $source: { CREDENTIALS_PROCESS: 'x' } },
      { ...ended, accessKeyId: 'AKID3', $source: { CREDENTIALS_SSO: 'x' } },
    ]
    let readings = 0
    const credentials = async () => found[readings] ?? Promise.reject(new Error('asked too often'))
    const { read, signatures, records } = await loggedClient({ credentials })

    for (; readings < found.length; readings += 1) await read()

    expect(signatures().map(({ accessKeyId }) => accessKeyId)).toEqual(['AKID1', 'AKID2', 'AKID3'])
    expect(records.map(({ message, fields }) => [message, fields])).toEqual([
      ['Credentials are from a credential process', { accessKeyId: 'AKID1' }],
      ['Credentials are from single sign-on', { accessKeyId: 'AKID3' }],
    ])
  })
})
