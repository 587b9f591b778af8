/** A DynamoDB that misbehaves, and what clients and operators see of it: the whole service, asked over HTTP. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { credentials, type Dynamodb, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { type FaultRow, faultMatrix, renderMatrix, type Tries, withoutValue } from '../support/dynamodb/fault-matrix.ts'
import { type FaultyDynamodb, startFaultyDynamodb } from '../support/dynamodb/faulty-dynamodb.ts'
import { failing, silent, startFaultyServer } from '../support/http/faulty-server.ts'
import { ask, problemIn, type RawReply } from '../support/http/http.ts'
import { assembled } from '../support/service/assembled.ts'

const token = 'let-me-in'
const maxAttempts = 3
/** Long after what should be at once, and long before a timeout that should not be what ends it. In milliseconds. */
const soon = 10_000
const poll = { timeout: soon, interval: 25 }

let table: Dynamodb

beforeAll(async () => {
  table = await startDynamodb()
  return table.close
})

beforeEach(() => {
  for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
  // The SDK waits by chance between its tries, for up to seconds. The service has a chance of its own.
  vi.spyOn(Math, 'random').mockReturnValue(0.01)
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

/** Gives each of these secrets this value. */
async function put(codeNames: readonly string[], value: string) {
  const items = codeNames.map((name) => ({ code_name: { S: name }, secret_code: { S: value }, number: { N: '42' } }))
  await Promise.all(items.map(table.put))
}

/** The service before a DynamoDB that may misbehave. What its timeouts end, if none are given, takes a minute. */
async function startService(
  dynamodb: FaultyDynamodb,
  codeNames: readonly string[],
  flags: Record<string, string> = {},
) {
  const { bus, origin, logged } = await assembled(
    {
      'dynamodb-endpoint': dynamodb.endpoint,
      'code-name': codeNames,
      'max-attempts': `${maxAttempts}`,
      'request-timeout': '60s',
      'fetch-timeout': '60s',
      ...flags,
    },
    { SECRET_BUS_AUTH_TOKEN: token },
  )
  await bus.start()
  const headers = { authorization: `Bearer ${token}` }
  const answer = async (codeName: string) => {
    const reply = await ask(`${origin()}/secret/${encodeURIComponent(codeName)}`, { headers })
    return reply.status === 200 ? JSON.parse(reply.body).secret_code : problemInWords(reply)
  }
  return {
    /** The value, or what is said where there is none. */
    answer,
    /** The same of all secrets, asked for at the same time. */
    answers: async () =>
      Object.fromEntries(await Promise.all(codeNames.map(async (name) => [name, await answer(name)]))),
    ready: async () => {
      const { status, body } = await ask(`${origin()}/ready`)
      return `${status} ${JSON.parse(body).status}`
    },
    reload: () => ask(`${origin()}/-/reload`, { method: 'POST', headers }),
    /** The secrets of which a fetch has failed. */
    lost: () => new Set(logged().flatMap(({ msg, codeName }) => (/was not fetched/.test(`${msg}`) ? [codeName] : []))),
  }
}

/** As the matrix has it. */
function problemInWords(reply: RawReply): string {
  const { status } = problemIn(reply)
  const retryAfter = reply.headers['retry-after']
  if (retryAfter === undefined) return `${status}`
  expect(retryAfter).toMatch(/^([1-9]|[12]\d|30)$/)
  return `${status}, \`Retry-After\``
}

/** Each way of a fault is a secret of its own, so that all of them happen at the same time. */
async function startWaysOf(row: FaultRow, flags: Record<string, string> = {}) {
  const ways = Object.keys(row.ways)
  await put(ways, 'first')
  const dynamodb = await startFaultyDynamodb(table.endpoint)
  const timeouts = row.overAfter === 'fetchTimeout' ? { 'request-timeout': '150ms', 'fetch-timeout': '400ms' } : {}
  const negativeTtl = row.pause === 'negativeTtl' ? '50ms' : '60s'
  return {
    ways,
    dynamodb,
    start: () => startService(dynamodb, ways, { ...timeouts, 'negative-ttl': negativeTtl, ...flags }),
    /** The answers, where they are the same in all ways. */
    inAllWays: (answer: string) => Object.fromEntries(ways.map((way) => [way, answer])),
    /** That each way took as many tries as it may. `index` counts the reads of a secret. */
    expectTries: (index: number) => {
      for (const way of ways) expect(counts[row.tries], way).toContain(dynamodb.tries(way)[index] ?? 0)
    },
  }
}

/** How many tries that may be. */
const counts: Record<Tries, readonly number[]> = { none: [0], one: [1], all: [maxAttempts], some: [1, 2, maxAttempts] }

describe('DynamoDB, while nothing is in the cache,', () => {
  test.for(faultMatrix)('$fault', async (row) => {
    const { dynamodb, start, inAllWays, expectTries } = await startWaysOf(row)
    await dynamodb.break(row.ways)
    const service = await start()
    const asked = performance.now()

    expect(await service.answers()).toEqual(inAllWays(withoutValue(row)))

    expect(performance.now() - asked).toBeLessThan(soon)
    expect(await service.ready()).toBe('503 fail')
    expectTries(0)

    await dynamodb.mend()

    await expect.poll(service.ready, poll).toBe('200 pass')
    expect(await service.answers()).toEqual(inAllWays('first'))
  })
})

describe('DynamoDB, while there is a value past its lifetime,', () => {
  test.for(faultMatrix)('$fault', async (row) => {
    const { ways, dynamodb, start, inAllWays, expectTries } = await startWaysOf(row, { 'cache-ttl': '1ms' })
    const service = await start()
    await expect.poll(service.ready, poll).toBe('200 warn')
    await dynamodb.break(row.ways)
    await put(ways, 'second')

    expect(await service.answers()).toEqual(inAllWays('first'))
    await expect.poll(service.lost, poll).toEqual(new Set(ways))

    expect(await service.answers()).toEqual(inAllWays(row.oldValue === 'kept' ? 'first' : withoutValue(row)))
    expect(await service.ready()).toBe('200 warn')
    expectTries(1)

    await dynamodb.mend()

    await expect.poll(service.answers, poll).toEqual(inAllWays('second'))
  })
})

describe('DynamoDB, while a fresh value is reloaded,', () => {
  test.for(faultMatrix)('$fault', async (row) => {
    const { ways, dynamodb, start, inAllWays, expectTries } = await startWaysOf(row)
    const service = await start()
    await expect.poll(service.ready, poll).toBe('200 pass')
    await dynamodb.break(row.ways)
    await put(ways, 'second')
    const asked = performance.now()

    const { status, body } = await service.reload()

    expect(performance.now() - asked).toBeLessThan(soon)
    expect(status).toBe(500)
    expect(JSON.parse(body)).toMatchObject({ failed: [{ listener: 'secret-cache' }] })
    expect(service.lost()).toEqual(new Set(ways))
    expect(await service.answers()).toEqual(inAllWays(row.oldValue === 'kept' ? 'first' : withoutValue(row)))
    expect(await service.ready()).toBe(row.oldValue === 'kept' ? '200 pass' : '200 warn')
    expectTries(1)

    await dynamodb.mend()
    expect(await service.reload()).toMatchObject({ status: 200 })

    expect(await service.answers()).toEqual(inAllWays('second'))
    expect(await service.ready()).toBe('200 pass')
  })
})

describe('an outage', () => {
  const codeName = 'thedoctor'

  async function start(flags: Record<string, string>) {
    await put([codeName], 'first')
    const dynamodb = await startFaultyDynamodb(table.endpoint)
    return { dynamodb, service: await startService(dynamodb, [codeName], flags) }
  }

  test('of a DynamoDB that never answers has nobody wait for a value past its lifetime, and causes one read', async () => {
    const { dynamodb, service } = await start({ 'cache-ttl': '1ms' })
    await expect.poll(service.ready, poll).toBe('200 warn')
    await dynamodb.break({ [codeName]: silent })
    const asked = performance.now()

    const answers = await Promise.all(Array.from({ length: 100 }, () => service.answer(codeName)))

    expect(performance.now() - asked).toBeLessThan(soon)
    expect(new Set(answers)).toEqual(new Set(['first']))
    expect(dynamodb.tries(codeName)).toHaveLength(2)
  })

  test('is read ever less often, however many ask', async () => {
    const { dynamodb, service } = await start({ 'cache-ttl': '0', 'max-attempts': '1' })
    await expect.poll(service.ready, poll).toBe('200 pass')
    await dynamodb.break({ [codeName]: failing('InternalServerError', 500) })

    for (let asked = 0; asked < 100; asked += 1) expect(await service.answer(codeName)).toMatch(/^502/)

    // At least 50, 100, 200, ... ms apart: in 25 s, ten.
    expect(dynamodb.tries(codeName).length - 1).toBeLessThanOrEqual(10)
  })

  test('that outlasts --max-stale ends the old value, and the process is ready all the same', async () => {
    const { dynamodb, service } = await start({ 'cache-ttl': '1ms', 'max-stale': '2s' })
    await expect.poll(service.ready, poll).toBe('200 warn')
    await dynamodb.break({ [codeName]: failing('ThrottlingException') })
    expect(await service.answer(codeName)).toBe('first')

    await expect.poll(() => service.answer(codeName), poll).toMatch(/^503/)

    expect(await service.ready()).toBe('200 warn')
  })

  test('of one try is over after --request-timeout, and the next try is the answer', async () => {
    const { dynamodb, service } = await start({ 'cache-ttl': '0', 'request-timeout': '100ms' })
    await expect.poll(service.ready, poll).toBe('200 pass')
    let isFirst = true
    await dynamodb.break({
      [codeName]: (_request, _response, passOn) => {
        if (!isFirst) return passOn({})
        isFirst = false
        return undefined
      },
    })

    expect(await service.answer(codeName)).toBe('first')

    expect(dynamodb.tries(codeName)).toEqual([1, 2])
  })

  test('of whoever gives out the credentials leaves the old value, even if it denies them', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'secret-bus-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const tokenFile = join(directory, 'token')
    await writeFile(tokenFile, 'who I am')
    const sts = await startFaultyServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/xml' }).end(roleCredentials(new Date(Date.now() + 1_000)))
    })
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined)
    vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::123456789012:role/doctor')
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', tokenFile)
    vi.stubEnv('AWS_ENDPOINT_URL_STS', sts.endpoint)
    const { service } = await start({ 'cache-ttl': '1ms' })
    await expect.poll(service.ready, poll).toBe('200 warn')
    sts.answer = (_, response) => {
      response.writeHead(403, { 'content-type': 'text/xml' }).end(stsError('AccessDenied'))
    }

    // The SDK uses those that it has until they expire.
    const lost = async () => {
      expect(await service.answer(codeName)).toBe('first')
      return service.lost()
    }
    await expect.poll(lost, poll).toEqual(new Set([codeName]))

    expect(await service.answer(codeName)).toBe('first')
  })
})

const stsError = (code: string) =>
  `<ErrorResponse><Error><Code>${code}</Code><Message>so it is</Message></Error></ErrorResponse>`

function roleCredentials(expiration: Date): string {
  const credentials = [
    '<AccessKeyId>test</AccessKeyId>',
    '<SecretAccessKey>test</SecretAccessKey>',
    '<SessionToken>test</SessionToken>',
    `<Expiration>${expiration.toISOString()}</Expiration>`,
  ].join('')
  const action = 'AssumeRoleWithWebIdentity'
  return `<${action}Response><${action}Result><Credentials>${credentials}</Credentials></${action}Result></${action}Response>`
}

test('docs/RELIABILITY.md shows the matrix; renew it with: npx vitest run test/service/faults.test.ts -u', async () => {
  const path = fileURLToPath(new URL('../../docs/RELIABILITY.md', import.meta.url))
  const marked = /(?<=<!-- faults: .*-->\n).*?(?=<!-- \/faults -->)/s
  const text = await readFile(path, 'utf8')
  expect(text).toMatch(marked)

  await expect(text.replace(marked, () => `\n${renderMatrix()}\n\n`)).toMatchFileSnapshot(path)
})
