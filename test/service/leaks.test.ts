/** Nothing leaks: sentinels are looked for in all that leaves the service, whatever is done to it. */
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Agent, request } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { lifecycle } from '../../src/bus/process/lifecycle.ts'
import { checkHealth } from '../../src/channels.ts'
import { readCommandLine } from '../../src/runtime/cli/command-line.ts'
import { Sensitive } from '../../src/secret.ts'
import { startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { deniedTo, requestId, startSpillingDynamodb } from '../support/dynamodb/spilling-dynamodb.ts'
import { certificateFiles, newCertificate } from '../support/http/certificate.ts'
import { malformedRequests } from '../support/http/malformed-requests.ts'
import { assembled } from '../support/service/assembled.ts'
import { leaksIn, Outlets, pemSentinels } from '../support/service/sentinels.ts'
import { startedService } from '../support/service/started-service.ts'
import {
  credentials,
  place,
  secret,
  secretAccessKey,
  sessionToken,
  token,
  watchedService,
} from '../support/service/watched-service.ts'
import { shown, waysToShow } from '../support/service/ways-to-show.ts'

const sentinels = [secret, token, secretAccessKey, sessionToken]

/** What a client is never told: where the secret is kept, what this is made of, in which version, and where it fails. */
const behind = new RegExp(
  [
    'aws|amazon|dynamo|arn:|fastify|fst_|node_modules|file:|^(x-powered-by|server|via):',
    '\\.[cm]?[jt]s\\b|\\bat \\S+ \\(|\\bat \\S+:\\d+:\\d+|\\d+\\.\\d+\\.\\d+',
    ...Object.values(place),
    deniedTo,
    requestId,
  ].join('|'),
  'gim',
)

/** What of that is in a reply, but for what /metrics says: the version of its format, our own name of the part that reads, and whose heap it is. */
function behindIn(reply: string): string[] {
  return reply.replaceAll(/text\/plain; version=0\.0\.4|by="dynamodb"|Node\.js/g, '').match(behind) ?? []
}

function asking(what: string) {
  const head = ['host: x', 'connection: close', `authorization: Bearer ${token.value}`].join('\r\n')
  return { bytes: Buffer.from(`${what} HTTP/1.1\r\n${head}\r\n\r\n`) }
}

describe('the search', () => {
  test.each([...secret.forms])('finds a part of the secret as %s', (form, part) => {
    const found = leaksIn(`before ${part.slice(0, 4)}\n${part.slice(4)} after`, secret)

    expect(found).toContainEqual(expect.objectContaining({ sentinel: 'the secret', form }))
  })

  test('finds nothing where there is less than that', () => {
    expect(leaksIn(`before ${secret.value.slice(1, 6)} after`, ...sentinels)).toEqual([])
  })
})

describe('a secret', () => {
  /** What `Sensitive` would be if it did not hide what it holds. */
  class Open {
    readonly value = secret.value

    toString() {
      return this.value
    }
  }

  test.each(Object.entries(waysToShow))('is seen where it is not wrapped: %s', (_, show) => {
    expect(leaksIn(show(new Open()), secret)).not.toEqual([])
  })

  test('is not seen where it is wrapped, whichever way', () => {
    const wrapped = new Sensitive(secret.value)
    const deep = { list: [wrapped, new Error('x', { cause: { wrapped } })], map: new Map([[wrapped, wrapped]]) }

    expect(leaksIn(shown(wrapped) + shown(deep), secret)).toEqual([])
  })
})

describe('the service', () => {
  test('lets out nothing but secrets to those who ask for them, whatever goes wrong before and behind it', async () => {
    const dynamodb = await startSpillingDynamodb(secret.value, place['value-attribute'])
    const codeNames = ['thedoctor', ...dynamodb.cold, ...dynamodb.warm]
    const { bus, outlets, send, lookInside } = await watchedService(dynamodb, codeNames)
    const others = ['/secret', '/health', '/ready', '/metrics', '/nothing']
    const everything = [...others, ...codeNames.map((name) => `/secret/${encodeURIComponent(name)}`)]
    const heap = { paths: [...others, '/-/reload'], token: token.value, strays: [secret.value, token.value] }
    await bus.start()

    const given = await send(everything.map((path) => asking(`GET ${path}`)))
    await send([asking('POST /-/reload')])
    const givenThen = await send(everything.map((path) => asking(`GET ${path}`)))
    await send(malformedRequests(heap))
    await send([asking('GET /metrics')])
    await lookInside()
    await bus.exit()

    expect(outlets.leaks(...sentinels)).toEqual([])
    expect(outlets.texts('reply').flatMap(behindIn)).toEqual([])
    expect(given).toBeGreaterThan(0)
    expect(givenThen).toBeGreaterThan(0)
    expect(outlets.texts('reply').filter((reply) => reply.startsWith('HTTP/1.1 4')).length).toBeGreaterThan(300)
    // What AWS says of who may not read is for the operator.
    expect(outlets.texts('json log').join()).toContain(deniedTo)
  }, 60_000)

  test('would be found out wherever it let something out', async () => {
    const dynamodb = await startSpillingDynamodb('harmless', place['value-attribute'])
    // No secret is safe that is the name of one.
    const { bus, outlets, send, lookInside } = await watchedService(dynamodb, [secret.value])
    Object.defineProperty(bus, 'hidden', { value: secret.value })
    bus.subscribe(checkHealth, () => ({ name: 'leak', status: 'warn', output: secret.value }))
    bus.subscribe(lifecycle.graceful, () => Promise.reject(new Error(secret.value)), { name: secret.value })
    await bus.start()

    await send([asking('GET /secret'), asking('GET /ready')])
    await bus.graceful().catch(() => {})
    await lookInside()

    const outletsWithLeaks = new Set(outlets.leaks(secret).map(({ outlet }) => outlet))
    expect(outletsWithLeaks).toEqual(new Set(outlets.names))
    expect(outletsWithLeaks.size).toBeGreaterThan(10)
  })
})

/** Where no DynamoDB is. */
const nowhere = ['--dynamodb-endpoint=http://127.0.0.1:9', `--region=${place.region}`]

/** A process, and where to put what it lets out. */
function watchedProcess(args: readonly string[], env: NodeJS.ProcessEnv = {}, ca = '') {
  const outlets = new Outlets()
  const service = startedService([...args, '--log-level=trace', '--log-format=json'], env)
  const dispatcher = new Agent({ connect: { ca } })
  onTestFinished(() => dispatcher.destroy())
  /** @returns the secret, if it is where it belongs */
  const ask = async (path: string, bearer: string, method: 'GET' | 'POST' = 'GET'): Promise<unknown> => {
    const url = new URL(path, await service.address())
    const reply = await request(url, { method, dispatcher, headers: { authorization: `Bearer ${bearer}` } })
    const text = await reply.body.text()
    for (const [name, value] of Object.entries(reply.headers)) outlets.add('reply', `${name}: ${value}`)
    if (reply.statusCode === 200 && path === '/secret') return JSON.parse(text).secret_code
    outlets.add('reply', text)
    return undefined
  }
  const exited = async () => {
    const code = await service.exited
    for (const line of service.stdout) outlets.add('stdout', line)
    for (const line of service.stderr) outlets.add('stderr', line)
    return code
  }
  return { ...service, outlets, ask, exited }
}

/** Files for HTTPS and with a token. */
async function files() {
  const certificate = await newCertificate()
  const { options, write } = await certificateFiles(certificate)
  const tokenFile = join(dirname(options.tlsKey), 'tokens')
  const spoil = async () => {
    await write({ key: certificate.key.replace('\n', `\n${token.value}`) })
    await writeFile(tokenFile, `${token.value}\nnot one but ${token.value}\n`)
  }
  await writeFile(tokenFile, token.value)
  return { ...certificate, ...options, tokenFile, spoil }
}

describe('the process', () => {
  test('lets out nothing but secrets, also when its files have become useless', async () => {
    const table = await startDynamodb()
    onTestFinished(table.close)
    await table.putSecret('thedoctor', secret.value)
    await table.put({ code_name: { S: 'bytes' }, secret_code: { B: Buffer.from(secret.value) } })
    const { cert, key, tlsCert, tlsKey, tokenFile, spoil } = await files()
    const { ask, line, child, exited, outlets } = watchedProcess(
      [
        ...['thedoctor', 'bytes', 'nobody'].map((name) => `--code-name=${name}`),
        ...[`--tls-cert=${tlsCert}`, `--tls-key=${tlsKey}`, `--auth-token-file=${tokenFile}`],
        ...[`--dynamodb-endpoint=${table.endpoint}`, `--region=${place.region}`],
      ],
      credentials,
      cert,
    )

    const given = await ask('/secret', token.value)
    for (const path of ['/secret', '/secret/bytes', '/secret/nobody', '/health', '/ready', '/metrics', '/nothing']) {
      for (const bearer of [token.value, `${token.value}x`, '']) await ask(path, bearer)
    }
    await ask('/-/reload', token.value, 'POST')
    await spoil()
    await ask('/-/reload', token.value, 'POST')
    child.kill('SIGHUP')
    await line(/Bus graceful/)
    child.kill('SIGTERM')
    await exited()

    expect(given).toBe(secret.value)
    expect(outlets.leaks(...sentinels, ...pemSentinels('the key', key))).toEqual([])
    expect(outlets.texts('reply').flatMap(behindIn)).toEqual([])
    expect(outlets.texts('stdout').join()).toMatch(/tokens failed on.*http-server failed on/)
  }, 60_000)

  test('would be found out wherever it let something out', async () => {
    // No secret is safe that is an option.
    const loud = watchedProcess([`--code-name=${secret.value}`, `--container=${secret.value}`, ...nowhere])
    const wrong = watchedProcess([`--host=${secret.value}`])

    await loud.ask('/secret', '')
    await loud.ask('/health', '')
    loud.child.kill('SIGTERM')
    await Promise.all([loud.exited(), wrong.exited()])

    const outletsOf = ({ outlets }: typeof loud) => outlets.leaks(secret).map(({ outlet }) => outlet)
    expect(outletsOf(loud)).toEqual(expect.arrayContaining(['reply', 'stdout']))
    expect(outletsOf(wrong)).toContain('stderr')
  }, 60_000)
})

describe('what cannot be used', () => {
  test.each<[string, (spoilt: Awaited<ReturnType<typeof files>>) => Promise<unknown>]>([
    ['a file with tokens', ({ tokenFile }) => started({ 'auth-token-file': tokenFile })],
    ['a variable with tokens', () => started({}, { SECRET_BUS_AUTH_TOKEN: `not one but ${token.value}` })],
    ['a key', ({ tlsCert, tlsKey }) => started({ 'tls-cert': tlsCert, 'tls-key': tlsKey })],
    ['a key as the certificate', ({ tlsKey }) => started({ 'tls-cert': tlsKey, 'tls-key': tlsKey })],
    ['a file with tokens as the configuration', ({ tokenFile }) => started({ config: tokenFile })],
    ['a token as a flag', () => readCommandLine([`--auth-token=${token.value}`], '1.2.3')],
  ])('is not told: %s', async (_, start) => {
    const spoilt = await files()
    await spoilt.spoil()

    const error: unknown = await start(spoilt).catch((thrown) => thrown)

    expect(error).toMatchObject({ exitCode: expect.any(Number) })
    expect(leaksIn(shown(error), token, ...pemSentinels('the key', spoilt.key))).toEqual([])
  })
})

async function started(flags: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) {
  const { bus } = await assembled({ 'dynamodb-endpoint': 'http://127.0.0.1:9', ...place, ...flags }, env)
  await bus.start()
}
