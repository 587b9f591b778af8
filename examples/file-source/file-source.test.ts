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
  /** The whole service, with the file instead of DynamoDB, and a token for the reload. */
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

  /** What comes of asking for `thedoctor` where nothing is cached. */
  async function fetchSecret() {
    await using recorded = recordedBus({ source: fileSource(await pluginContext()) })
    return await recorded.bus.request(channels.fetchSecret, { codeName: 'thedoctor' })
  }

  test('serves what is in the file', async () => {
    await writeFile(secretsFile, '{ "thedoctor": "bad wolf" }')
    await using service = await start()

    expect(await service.ask('/secret')).toEqual({ status: 200, body: { secret_code: 'bad wolf' } })
  })

  test('has a new value served by a reload, and not before', async () => {
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
    ['cannot be read', '{ "thedoctor": "half', { secret_code: 'old' }],
    ['has no string any more', '{ "thedoctor": 7 }', { type: 'urn:secret-bus:problem:source-refused' }],
  ])('after a reload of a file that %s, answers as after one of DynamoDB', async (_what, text, answer) => {
    await writeFile(secretsFile, '{ "thedoctor": "old" }')
    await using service = await start()
    await service.ask('/secret')
    await writeFile(secretsFile, text)

    const reload = await service.ask('/-/reload', 'POST')

    expect(reload).toMatchObject({ status: 500, body: { type: 'urn:secret-bus:problem:reload-failed' } })
    expect((await service.ask('/secret')).body).toMatchObject(answer)
  })

  test.each([
    ['lacks the name', '{ "other": "sesame" }', { code: 'SECRET_NOT_FOUND' }],
    ['is empty', '', { code: 'SOURCE_UNAVAILABLE', message: 'SECRETS_FILE holds no JSON object' }],
    ['is no JSON', 'sesame', { code: 'SOURCE_UNAVAILABLE', message: 'SECRETS_FILE holds no JSON object' }],
    ['holds nothing', 'null', { code: 'SOURCE_UNAVAILABLE', message: 'SECRETS_FILE holds no JSON object' }],
    ['holds no object', '["sesame"]', { code: 'SOURCE_UNAVAILABLE', message: 'SECRETS_FILE holds no JSON object' }],
    ['has no string', '{ "thedoctor": ["sesame"] }', { code: 'SOURCE_REFUSED' }],
  ])('fails where the file %s, without quoting it', async (_what, text, failure) => {
    await writeFile(secretsFile, text)

    const error = await fetchSecret().catch((error) => error)

    expect(error).toMatchObject(failure)
    expect(inspect(error, { depth: Infinity })).not.toContain('sesame')
  })

  test('fails where there is no file', async () => {
    await expect(fetchSecret()).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: 'SECRETS_FILE cannot be read: ENOENT',
    })
  })

  test('finds in the file no name that is only in JavaScript', async () => {
    await writeFile(secretsFile, '{}')
    await using recorded = recordedBus({ source: fileSource(await pluginContext()) })

    const asking = recorded.bus.request(channels.fetchSecret, { codeName: 'constructor' })

    await expect(asking).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' })
  })

  test('does not begin without the variable', async () => {
    vi.stubEnv('SECRETS_FILE', '')
    const context = await pluginContext()

    expect(() => fileSource(context)).toThrow('SECRETS_FILE is not set')
  })
})
