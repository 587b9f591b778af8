import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { channels } from 'secret-bus'
import { pluginContext, recordedBus, startService } from 'secret-bus/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import javascript from './file-source.mjs'
import typescript from './file-source.ts'

let folder: string
let secretsFile: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-source-'))
  secretsFile = join(folder, 'secrets.json')
  vi.stubEnv('SECRETS_FILE', secretsFile)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true })
})

describe.each([
  ['file-source.mjs', javascript],
  ['file-source.ts', typescript],
])('%s', (file, fileSource) => {
  /** Starts the service with the file as its source, and with a token so that it can be reloaded. */
  async function start() {
    const tokenFile = join(folder, 'tokens')
    await writeFile(tokenFile, 'a-token-that-is-long-enough')
    const plugin = join(import.meta.dirname, file)
    const service = await startService({}, { without: 'dynamodb', plugin, 'auth-token-file': tokenFile })
    const ask = async (path: string, method = 'GET') => {
      const headers = { authorization: 'Bearer a-token-that-is-long-enough' }
      const response = await fetch(`${service.origin}${path}`, { method, headers })
      return { status: response.status, body: await response.json() }
    }
    return { ...service, ask }
  }

  /** Requests `thedoctor` from the source, without the cache. */
  async function fetchSecret() {
    await using recorded = recordedBus({ source: fileSource(await pluginContext()) })
    return await recorded.bus.request(channels.fetchSecret, { codeName: 'thedoctor' })
  }

  test('serves secrets from the file', async () => {
    await writeFile(secretsFile, '{ "thedoctor": "bad wolf" }')
    await using service = await start()

    expect(await service.ask('/secret')).toEqual({ status: 200, body: { secret_code: 'bad wolf' } })
  })

  test('serves a changed value after a reload', async () => {
    await writeFile(secretsFile, '{ "thedoctor": "old" }')
    await using service = await start()
    await service.ask('/secret')
    await writeFile(secretsFile, '{ "thedoctor": "new" }')

    const before = await service.ask('/secret')
    const reload = await service.ask('/-/reload', 'POST')
    const after = await service.ask('/secret')

    expect(before.body).toEqual({ secret_code: 'old' })
    expect(reload.status).toBe(200)
    expect(after.body).toEqual({ secret_code: 'new' })
  })

  test.each([
    ['is malformed', '{ "thedoctor": "half', { secret_code: 'old' }],
    ['no longer has a string', '{ "thedoctor": 7 }', { type: 'urn:secret-bus:problem:source-refused' }],
  ])('after a reload, treats a file that %s like a failure of DynamoDB', async (_, text, answer) => {
    await writeFile(secretsFile, '{ "thedoctor": "old" }')
    await using service = await start()
    await service.ask('/secret')
    await writeFile(secretsFile, text)

    const reload = await service.ask('/-/reload', 'POST')

    expect(reload).toMatchObject({ status: 500, body: { type: 'urn:secret-bus:problem:reload-failed' } })
    expect((await service.ask('/secret')).body).toMatchObject(answer)
  })

  test.each([
    ['does not have the name', '{ "other": "sesame" }', { code: 'SECRET_NOT_FOUND' }],
    ['is empty', '', { code: 'SOURCE_UNAVAILABLE', message: 'SECRETS_FILE must contain a JSON object' }],
    ['is not JSON', 'sesame', { code: 'SOURCE_UNAVAILABLE', message: 'SECRETS_FILE must contain a JSON object' }],
    ['contains null', 'null', { code: 'SOURCE_UNAVAILABLE', message: 'SECRETS_FILE must contain a JSON object' }],
    [
      'contains an array',
      '["sesame"]',
      { code: 'SOURCE_UNAVAILABLE', message: 'SECRETS_FILE must contain a JSON object' },
    ],
    ['has a value that is not a string', '{ "thedoctor": ["sesame"] }', { code: 'SOURCE_REFUSED' }],
  ])('fails if the file %s, without quoting it', async (_, text, failure) => {
    await writeFile(secretsFile, text)

    const error = await fetchSecret().catch((error) => error)

    expect(error).toMatchObject(failure)
    expect(inspect(error, { depth: Infinity })).not.toContain('sesame')
  })

  test('fails if the file does not exist', async () => {
    await expect(fetchSecret()).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: 'Failed to read SECRETS_FILE: ENOENT',
    })
  })

  test('does not find inherited properties of JavaScript objects', async () => {
    await writeFile(secretsFile, '{}')
    await using recorded = recordedBus({ source: fileSource(await pluginContext()) })

    const secret = recorded.bus.request(channels.fetchSecret, { codeName: 'constructor' })

    await expect(secret).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' })
  })

  test('requires the variable', async () => {
    vi.stubEnv('SECRETS_FILE', '')
    const context = await pluginContext()

    expect(() => fileSource(context)).toThrow('SECRETS_FILE must be set')
  })
})
