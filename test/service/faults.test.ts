/** The effects of a faulty DynamoDB on clients and operators, tested over HTTP against the whole service. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { credentials, type Dynamodb, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import {
  type Attempts,
  type FaultRow,
  faultMatrix,
  renderMatrix,
  withoutValue,
} from '../support/dynamodb/fault-matrix.ts'
import { type FaultyDynamodb, startFaultyDynamodb } from '../support/dynamodb/faulty-dynamodb.ts'
import { neverRespond, respondWithError, startFaultyServer } from '../support/http/faulty-server.ts'
import { fetchReply, parseProblem, type RawReply } from '../support/http/http.ts'
import { assembleService } from '../support/service/assemble-service.ts'

const token = 'let-me-in'
const maxAttempts = 3
/** In milliseconds: far above an immediate response, and far below the timeouts that must not be reached. */
const responseLimit = 10_000
const poll = { timeout: responseLimit, interval: 25 }

let table: Dynamodb

beforeAll(async () => {
  table = await startDynamodb()
  return table.close
})

beforeEach(() => {
  for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
  // Shortens the random delay between attempts of the SDK, which may be seconds. The service keeps the real function.
  vi.spyOn(Math, 'random').mockReturnValue(0.01)
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

/** Stores the value under each code name. */
async function put(codeNames: readonly string[], value: string) {
  const items = codeNames.map((name) => ({ code_name: { S: name }, secret_code: { S: value }, number: { N: '42' } }))
  await Promise.all(items.map(table.put))
}

/** Starts the service with a faulty DynamoDB, by default with timeouts of a minute. */
async function startService(
  dynamodb: FaultyDynamodb,
  codeNames: readonly string[],
  flags: Record<string, string> = {},
) {
  const { bus, origin, logged } = await assembleService(
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
  const get = async (codeName: string) => {
    const reply = await fetchReply(`${origin()}/secret/${encodeURIComponent(codeName)}`, { headers })
    return reply.status === 200 ? JSON.parse(reply.body).secret_code : describeProblem(reply)
  }
  return {
    /** Returns the value of a secret, or a description of the problem. */
    get,
    /** Requests all secrets concurrently. */
    getAll: async () => Object.fromEntries(await Promise.all(codeNames.map(async (name) => [name, await get(name)]))),
    ready: async () => {
      const { status, body } = await fetchReply(`${origin()}/ready`)
      return `${status} ${JSON.parse(body).status}`
    },
    reload: () => fetchReply(`${origin()}/-/reload`, { method: 'POST', headers }),
    /** The code names with a failed fetch in the log. */
    failedFetches: () =>
      new Set(logged().flatMap(({ msg, codeName }) => (/^Failed to fetch secret/.test(`${msg}`) ? [codeName] : []))),
  }
}

/** Describes a problem in the format of the matrix. */
function describeProblem(reply: RawReply): string {
  const { status } = parseProblem(reply)
  const retryAfter = reply.headers['retry-after']
  if (retryAfter === undefined) return `${status}`
  expect(retryAfter).toMatch(/^([1-9]|[12]\d|30)$/)
  return `${status}, \`Retry-After\``
}

/** Maps each variant of a fault to a secret, so that all of them are tested at the same time. */
async function startVariants(row: FaultRow, flags: Record<string, string> = {}) {
  const variants = Object.keys(row.variants)
  await put(variants, 'first')
  const dynamodb = await startFaultyDynamodb(table.endpoint)
  const timeouts = row.endsAfter === 'fetchTimeout' ? { 'request-timeout': '150ms', 'fetch-timeout': '400ms' } : {}
  const negativeTtl = row.pause === 'negativeTtl' ? '50ms' : '60s'
  return {
    variants,
    dynamodb,
    start: () => startService(dynamodb, variants, { ...timeouts, 'negative-ttl': negativeTtl, ...flags }),
    /** The replies of `getAll` if all variants have the same. */
    all: (reply: string) => Object.fromEntries(variants.map((variant) => [variant, reply])),
    /** Checks the number of attempts of each variant in the read with this index. */
    expectAttempts: (read: number) => {
      for (const name of variants) expect(counts[row.attempts], name).toContain(dynamodb.attempts(name)[read] ?? 0)
    },
  }
}

/** The allowed numbers of attempts. */
const counts: Record<Attempts, readonly number[]> = {
  none: [0],
  one: [1],
  all: [maxAttempts],
  some: [1, 2, maxAttempts],
}

describe('with nothing cached, DynamoDB', () => {
  test.for(faultMatrix)('$fault', async (row) => {
    const { dynamodb, start, all, expectAttempts } = await startVariants(row)
    await dynamodb.injectFaults(row.variants)
    const service = await start()
    const requestedAt = performance.now()

    expect(await service.getAll()).toEqual(all(withoutValue(row)))

    expect(performance.now() - requestedAt).toBeLessThan(responseLimit)
    expect(await service.ready()).toBe('503 fail')
    expectAttempts(0)

    await dynamodb.clearFaults()

    await expect.poll(service.ready, poll).toBe('200 pass')
    expect(await service.getAll()).toEqual(all('first'))
  })
})

/** Each request finds the value past its TTL, and its read may take as long as `--fetch-timeout`. */
const expired = { 'cache-ttl': '1ms', 'min-refresh-interval': '60s' }

describe('with a value past its TTL cached, DynamoDB', () => {
  test.for(faultMatrix)('$fault', async (row) => {
    const { variants, dynamodb, start, all, expectAttempts } = await startVariants(row, expired)
    const service = await start()
    await expect.poll(service.ready, poll).toBe('200 pass')
    await dynamodb.injectFaults(row.variants)
    await put(variants, 'second')

    for (let request = 0; request < 2; request += 1)
      expect(await service.getAll()).toEqual(all(row.oldValue === 'kept' ? 'first' : withoutValue(row)))
    expect(service.failedFetches()).toEqual(new Set(variants))
    expect(await service.ready()).toBe('200 warn')
    expectAttempts(1)

    await dynamodb.clearFaults()

    await expect.poll(service.getAll, poll).toEqual(all('second'))
  })
})

describe('during a reload of a fresh value, DynamoDB', () => {
  test.for(faultMatrix)('$fault', async (row) => {
    const { variants, dynamodb, start, all, expectAttempts } = await startVariants(row)
    const service = await start()
    await expect.poll(service.ready, poll).toBe('200 pass')
    await dynamodb.injectFaults(row.variants)
    await put(variants, 'second')
    const requestedAt = performance.now()

    const { status, body } = await service.reload()

    expect(performance.now() - requestedAt).toBeLessThan(responseLimit)
    expect(status).toBe(500)
    expect(JSON.parse(body)).toMatchObject({ failed: [{ listener: 'secret-cache' }] })
    expect(service.failedFetches()).toEqual(new Set(variants))
    expect(await service.getAll()).toEqual(all(row.oldValue === 'kept' ? 'first' : withoutValue(row)))
    expect(await service.ready()).toBe(row.oldValue === 'kept' ? '200 pass' : '200 warn')
    expectAttempts(1)

    await dynamodb.clearFaults()
    expect(await service.reload()).toMatchObject({ status: 200 })

    expect(await service.getAll()).toEqual(all('second'))
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

  test('with no response from DynamoDB delays no stale values and causes hardly any reads', async () => {
    const { dynamodb, service } = await start({ 'cache-ttl': '2s', 'fetch-timeout': '500ms' })
    await expect.poll(service.ready, poll).toBe('200 pass')
    await dynamodb.injectFaults({ [codeName]: neverRespond })
    await expect.poll(service.ready, poll).toBe('200 warn') // the refresh has failed, and the TTL has ended
    const attempts = dynamodb.attempts(codeName).length
    const requestedAt = performance.now()

    const values = await Promise.all(Array.from({ length: 100 }, () => service.get(codeName)))

    expect(performance.now() - requestedAt).toBeLessThan(responseLimit)
    expect(new Set(values)).toEqual(new Set(['first']))
    expect(dynamodb.attempts(codeName).length - attempts).toBeLessThanOrEqual(2)
  })

  test('causes fewer and fewer reads, regardless of the number of requests', async () => {
    const { dynamodb, service } = await start({ 'cache-ttl': '0', 'max-attempts': '1' })
    await expect.poll(service.ready, poll).toBe('200 pass')
    await dynamodb.injectFaults({ [codeName]: respondWithError('InternalServerError', 500) })

    for (let request = 0; request < 100; request += 1) expect(await service.get(codeName)).toMatch(/^502/)

    // The reads are at least 50, 100, 200, ... ms apart, which allows ten in 25 s.
    expect(dynamodb.attempts(codeName).length - 1).toBeLessThanOrEqual(10)
  })

  test('longer than --max-stale drops the old value, but the service stays ready', async () => {
    const { dynamodb, service } = await start({ ...expired, 'max-stale': '2s' })
    await expect.poll(service.ready, poll).toBe('200 pass')
    await dynamodb.injectFaults({ [codeName]: respondWithError('ThrottlingException') })
    expect(await service.get(codeName)).toBe('first')

    await expect.poll(() => service.get(codeName), poll).toMatch(/^503/)

    expect(await service.ready()).toBe('200 warn')
  })

  test('of one attempt ends after --request-timeout, and the next attempt succeeds', async () => {
    const { dynamodb, service } = await start({ 'cache-ttl': '0', 'request-timeout': '100ms' })
    await expect.poll(service.ready, poll).toBe('200 pass')
    let isFirst = true
    await dynamodb.injectFaults({
      [codeName]: (_request, _response, forward) => {
        if (!isFirst) return forward({})
        isFirst = false
        return undefined
      },
    })

    expect(await service.get(codeName)).toBe('first')

    expect(dynamodb.attempts(codeName)).toEqual([1, 2])
  })

  test('of the credentials provider keeps the old value, even if the provider denies access', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'secret-bus-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const tokenFile = join(directory, 'token')
    await writeFile(tokenFile, 'web-identity-token')
    const sts = await startFaultyServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/xml' }).end(roleCredentials(new Date(Date.now() + 1_000)))
    })
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined)
    vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::123456789012:role/doctor')
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', tokenFile)
    vi.stubEnv('AWS_ENDPOINT_URL_STS', sts.endpoint)
    const { service } = await start(expired)
    await expect.poll(service.ready, poll).toBe('200 pass')
    sts.answer = (_, response) => {
      response.writeHead(403, { 'content-type': 'text/xml' }).end(stsError('AccessDenied'))
    }

    // The SDK uses the old credentials until they expire.
    const failedFetches = async () => {
      expect(await service.get(codeName)).toBe('first')
      return service.failedFetches()
    }
    await expect.poll(failedFetches, poll).toEqual(new Set([codeName]))

    expect(await service.get(codeName)).toBe('first')
  })
})

const stsError = (code: string) =>
  `<ErrorResponse><Error><Code>${code}</Code><Message>simulated failure</Message></Error></ErrorResponse>`

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

test('docs/RELIABILITY.md shows the matrix; update with: npm run test:system -- test/service/faults.test.ts -u', async () => {
  const path = fileURLToPath(new URL('../../docs/RELIABILITY.md', import.meta.url))
  const markedBlock = /(?<=<!-- faults: .*-->\n).*?(?=<!-- \/faults -->)/s
  const text = await readFile(path, 'utf8')
  expect(text).toMatch(markedBlock)

  await expect(text.replace(markedBlock, () => `\n${renderMatrix()}\n\n`)).toMatchFileSnapshot(path)
})
