/** Searches all outputs of the service for sentinel values, to check that it leaks nothing. */
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Agent, request } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { lifecycle } from '../../src/bus/process/lifecycle.ts'
import { checkHealth } from '../../src/channels.ts'
import { Sensitive } from '../../src/secret.ts'
import { startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { deniedTo, requestId, startLeakyDynamodb } from '../support/dynamodb/leaky-dynamodb.ts'
import { certificateFiles, newCertificate } from '../support/http/certificate.ts'
import { malformedRequests } from '../support/http/malformed-requests.ts'
import { assembleService } from '../support/service/assemble-service.ts'
import { readCommandLine } from '../support/service/options.ts'
import { allRepresentations, representations } from '../support/service/representations.ts'
import { leaksIn, Outputs, pemSentinels } from '../support/service/sentinels.ts'
import { startTestService } from '../support/service/test-service.ts'
import {
  assembleWatchedService,
  credentials,
  secret,
  secretAccessKey,
  sessionToken,
  tableLocation,
  token,
} from '../support/service/watched-service.ts'

const sentinels = [secret, token, secretAccessKey, sessionToken]

/** Internals that responses must not show: where the secret is stored, dependencies, versions, stack traces. */
const internals = new RegExp(
  [
    'aws|amazon|dynamo|arn:|fastify|fst_|node_modules|file:|^(x-powered-by|server|via):',
    '\\.[cm]?[jt]s\\b|\\bat \\S+ \\(|\\bat \\S+:\\d+:\\d+|\\d+\\.\\d+\\.\\d+',
    ...Object.values(tableLocation),
    deniedTo,
    requestId,
  ].join('|'),
  'gim',
)

/** The internals in a response, except those in /metrics: the format version, the subscriber's name and Node.js. */
function internalsIn(response: string): string[] {
  return response.replaceAll(/text\/plain; version=0\.0\.4|by="dynamodb"|Node\.js/g, '').match(internals) ?? []
}

function authorized(request: string) {
  const head = ['host: x', 'connection: close', `authorization: Bearer ${token.value}`].join('\r\n')
  return { bytes: Buffer.from(`${request} HTTP/1.1\r\n${head}\r\n\r\n`) }
}

/** The metric that names the versions, to clients with the right `metrics` only. */
const withoutBuildInfo = (reply: string) => reply.replace(/^secret_bus_build_info\{.*$/m, '')

describe('leaksIn', () => {
  test.each([...secret.forms])('finds a part of the secret in the form %s', (form, part) => {
    const found = leaksIn(`before ${part.slice(0, 4)}\n${part.slice(4)} after`, secret)

    expect(found).toContainEqual(expect.objectContaining({ sentinel: 'the secret', form }))
  })

  test('ignores shorter parts', () => {
    expect(leaksIn(`before ${secret.value.slice(1, 6)} after`, ...sentinels)).toEqual([])
  })
})

describe('a secret', () => {
  /** Like `Sensitive`, but without redaction. */
  class Exposed {
    readonly value = secret.value

    toString() {
      return this.value
    }
  }

  test.each(Object.entries(representations))('is found if it is not wrapped: %s', (_, show) => {
    expect(leaksIn(show(new Exposed()), secret)).not.toEqual([])
  })

  test('is not found if it is wrapped', () => {
    const wrapped = new Sensitive(secret.value)
    const deep = { list: [wrapped, new Error('x', { cause: { wrapped } })], map: new Map([[wrapped, wrapped]]) }

    expect(leaksIn(allRepresentations(wrapped) + allRepresentations(deep), secret)).toEqual([])
  })
})

describe('the service', () => {
  test('returns secrets to authorized requests and leaks nothing, despite faults of clients and DynamoDB', async () => {
    const dynamodb = await startLeakyDynamodb(secret.value, tableLocation['value-attribute'])
    const codeNames = ['thedoctor', ...dynamodb.cold, ...dynamodb.warm]
    const { bus, outputs, send, captureBusOutputs } = await assembleWatchedService(dynamodb, codeNames)
    const others = ['/secret', '/health', '/ready', '/metrics', '/nothing']
    const allPaths = [...others, ...codeNames.map((name) => `/secret/${encodeURIComponent(name)}`)]
    const heap = { paths: [...others, '/-/reload'], token: token.value, secrets: [secret.value, token.value] }
    await bus.start()

    const served = await send(allPaths.map((path) => authorized(`GET ${path}`)))
    await send([authorized('POST /-/reload')])
    const servedAfterReload = await send(allPaths.map((path) => authorized(`GET ${path}`)))
    await send(malformedRequests(heap))
    await send([authorized('GET /metrics')])
    await captureBusOutputs()
    await bus.exit()

    expect(outputs.leaks(...sentinels)).toEqual([])
    expect(outputs.texts('reply').map(withoutBuildInfo).flatMap(internalsIn)).toEqual([])
    expect(served).toBeGreaterThan(0)
    expect(servedAfterReload).toBeGreaterThan(0)
    expect(outputs.texts('reply').filter((reply) => reply.startsWith('HTTP/1.1 4')).length).toBeGreaterThan(300)
    // Operators need the identity that AWS denies access to.
    expect(outputs.texts('json log').join()).toContain(deniedTo)
  }, 60_000)

  test('detects a planted leak in every output', async () => {
    const dynamodb = await startLeakyDynamodb('harmless', tableLocation['value-attribute'])
    // A code name is not confidential.
    const { bus, outputs, send, captureBusOutputs } = await assembleWatchedService(dynamodb, [secret.value])
    Object.defineProperty(bus, 'hidden', { value: secret.value })
    bus.subscribe(checkHealth, () => ({ name: 'leak', status: 'warn', output: secret.value }))
    bus.subscribe(lifecycle.graceful, () => Promise.reject(new Error(secret.value)), { name: secret.value })
    await bus.start()

    await send([authorized('GET /secret'), authorized('GET /ready')])
    await bus.graceful().catch(() => {})
    await captureBusOutputs()
    await bus.exit()

    const outputsWithLeaks = new Set(outputs.leaks(secret).map(({ output }) => output))
    expect(outputsWithLeaks).toEqual(new Set(outputs.names))
    expect(outputsWithLeaks.size).toBeGreaterThan(10)
    expect(outputsWithLeaks).toContain('exported spans')
  })
})

/** Options with a DynamoDB endpoint that refuses connections. */
const unreachable = ['--dynamodb-endpoint=http://127.0.0.1:9', `--region=${tableLocation.region}`]

/** A process, and a record of everything that it outputs. */
function watchedProcess(args: readonly string[], env: NodeJS.ProcessEnv = {}, ca = '') {
  const outputs = new Outputs()
  const service = startTestService([...args, '--log-level=trace', '--log-format=json'], env)
  const dispatcher = new Agent({ connect: { ca } })
  onTestFinished(() => dispatcher.destroy())
  /** @returns the secret, if it is in the `secret_code` of a successful response */
  const ask = async (path: string, bearer: string, method: 'GET' | 'POST' = 'GET'): Promise<unknown> => {
    const url = new URL(path, await service.address())
    const reply = await request(url, { method, dispatcher, headers: { authorization: `Bearer ${bearer}` } })
    const text = await reply.body.text()
    for (const [name, value] of Object.entries(reply.headers)) outputs.add('reply', `${name}: ${value}`)
    if (reply.statusCode === 200 && path === '/secret') return JSON.parse(text).secret_code
    outputs.add('reply', text)
    return undefined
  }
  const exited = async () => {
    const code = await service.exited
    for (const line of service.stdout) outputs.add('stdout', line)
    for (const line of service.stderr) outputs.add('stderr', line)
    return code
  }
  return { ...service, outputs, ask, exited }
}

/** A certificate, its key and a token file. `corrupt` makes them invalid. */
async function files() {
  const certificate = await newCertificate()
  const { options, write } = await certificateFiles(certificate)
  const tokenFile = join(dirname(options.tlsKey), 'tokens')
  const corrupt = async () => {
    await write({ key: certificate.key.replace('\n', `\n${token.value}`) })
    await writeFile(tokenFile, `${token.value}\nnot one but ${token.value}\n`)
  }
  await writeFile(tokenFile, token.value)
  return { ...certificate, ...options, tokenFile, corrupt }
}

describe('the process', () => {
  test('leaks nothing, even after its files have become invalid', async () => {
    const table = await startDynamodb()
    onTestFinished(table.close)
    await table.putSecret('thedoctor', secret.value)
    await table.put({ code_name: { S: 'bytes' }, secret_code: { B: Buffer.from(secret.value) } })
    const { cert, key, tlsCert, tlsKey, tokenFile, corrupt } = await files()
    const { ask, line, child, exited, outputs } = watchedProcess(
      [
        ...['thedoctor', 'bytes', 'missing'].map((name) => `--code-name=${name}`),
        ...[`--tls-cert=${tlsCert}`, `--tls-key=${tlsKey}`, `--auth-token-file=${tokenFile}`],
        ...[`--dynamodb-endpoint=${table.endpoint}`, `--region=${tableLocation.region}`],
      ],
      credentials,
      cert,
    )

    const served = await ask('/secret', token.value)
    for (const path of ['/secret', '/secret/bytes', '/secret/missing', '/health', '/ready', '/metrics', '/nothing']) {
      for (const bearer of [token.value, `${token.value}x`, '']) await ask(path, bearer)
    }
    await ask('/-/reload', token.value, 'POST')
    await corrupt()
    await ask('/-/reload', token.value, 'POST')
    child.kill('SIGHUP')
    await line(/Bus graceful/)
    child.kill('SIGTERM')
    await exited()

    expect(served).toBe(secret.value)
    expect(outputs.leaks(...sentinels, ...pemSentinels('the key', key))).toEqual([])
    expect(outputs.texts('reply').map(withoutBuildInfo).flatMap(internalsIn)).toEqual([])
    expect(outputs.texts('stdout').join()).toMatch(/clients failed on.*http-server failed on/)
  }, 60_000)

  test('detects a planted leak in every output', async () => {
    // Options are not confidential.
    const leaking = watchedProcess([`--code-name=${secret.value}`, `--container=${secret.value}`, ...unreachable])
    const failing = watchedProcess([`--host=${secret.value}`])

    await leaking.ask('/secret', '')
    await leaking.ask('/health', '')
    leaking.child.kill('SIGTERM')
    await Promise.all([leaking.exited(), failing.exited()])

    const outputsWithLeak = ({ outputs }: typeof leaking) => outputs.leaks(secret).map(({ output }) => output)
    expect(outputsWithLeak(leaking)).toEqual(expect.arrayContaining(['reply', 'stdout']))
    expect(outputsWithLeak(failing)).toContain('stderr')
  }, 60_000)
})

describe('an invalid configuration', () => {
  test.each<[string, (invalidFiles: Awaited<ReturnType<typeof files>>) => Promise<unknown>]>([
    ['a token file', ({ tokenFile }) => started({ 'auth-token-file': tokenFile })],
    ['a token variable', () => started({}, { SECRET_BUS_AUTH_TOKEN: `not one but ${token.value}` })],
    ['a private key', ({ tlsCert, tlsKey }) => started({ 'tls-cert': tlsCert, 'tls-key': tlsKey })],
    ['a private key as certificate', ({ tlsKey }) => started({ 'tls-cert': tlsKey, 'tls-key': tlsKey })],
    ['a token file as configuration', ({ tokenFile }) => started({ config: tokenFile })],
    ['a token as flag', () => readCommandLine([`--auth-token=${token.value}`], '1.2.3')],
  ])('is reported without its content: %s', async (_, start) => {
    const invalidFiles = await files()
    await invalidFiles.corrupt()

    const error: unknown = await start(invalidFiles).catch((thrown) => thrown)

    expect(error).toMatchObject({ exitCode: expect.any(Number) })
    expect(leaksIn(allRepresentations(error), token, ...pemSentinels('the key', invalidFiles.key))).toEqual([])
  })
})

async function started(flags: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) {
  const { bus } = await assembleService({ 'dynamodb-endpoint': 'http://127.0.0.1:9', ...tableLocation, ...flags }, env)
  await bus.start()
}
