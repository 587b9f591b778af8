/** Runs instances of the service with the plugin examples/fleet-reload, and a real Redis server. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { credentials, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { certificateFiles, newCertificate } from '../support/http/certificate.ts'
import { steadyPort } from '../support/http/haproxy.ts'
import { redisInstalled, startRedis } from '../support/redis.ts'
import { startTestService } from '../support/service/test-service.ts'

const example = fileURLToPath(new URL('../../examples/fleet-reload', import.meta.url))
const channel = 'secret-bus:reload'
const token = 'a-token-for-the-tests'
const authorization = `Bearer ${token}`

const withRedis = test.skipIf(!redisInstalled)
if (!redisInstalled) process.stdout.write('redis-server is not installed: skipping the tests of a fleet\n')

async function startTable() {
  const table = await startDynamodb()
  onTestFinished(table.close)
  await table.putSecret('thedoctor', 'one')
  return table
}

/** Starts an instance with a cache that never expires, and waits until it listens. */
async function startInstance(endpoint: string, url: string, env: NodeJS.ProcessEnv = {}) {
  const plugin = ['--plugin', `${example}/fleet-reload.mjs`, '--cache-ttl', 'forever']
  const service = startTestService([...plugin, '--dynamodb-endpoint', endpoint, '--log-format', 'json'], {
    ...credentials,
    SECRET_BUS_AUTH_TOKEN: token,
    SECRET_BUS_FLEET_RELOAD_URL: url,
    ...env,
  })
  const origin = await service.address()
  const get = (path: string, method = 'GET') => fetch(`${origin}${path}`, { method, headers: { authorization } })
  const json = async (path: string, method?: string) => JSON.parse(await (await get(path, method)).text())
  return {
    ...service,
    secret: async (): Promise<unknown> => (await json('/secret')).secret_code,
    reload: () => json('/-/reload', 'POST'),
    /** The status of the connection; the instance must be ready in any case. */
    connection: async (): Promise<unknown> => {
      const ready = await get('/ready')
      const [, status] = /"fleet-reload":\[{"status":"(\w+)"/.exec(await ready.text()) ?? []
      return ready.status === 200 ? status : 'not ready'
    },
    count: async (result: string) => {
      const text = await (await get('/metrics')).text()
      return Number(new RegExp(`fleet_reload_messages_total{result="${result}"} (\\d+)`).exec(text)?.[1])
    },
    logged: (pattern: RegExp) => service.stdout.filter((line) => pattern.test(line)),
    stop: () => {
      service.child.kill('SIGTERM')
      return service.exited
    },
  }
}

type Instance = Awaited<ReturnType<typeof startInstance>>

const all =
  <Result>(fleet: readonly Instance[], ask: (instance: Instance) => Promise<Result> | Result) =>
  () =>
    Promise.all(fleet.map(ask))

const expectAll = (fleet: readonly Instance[], ask: (instance: Instance) => unknown) => ({
  toBe: (value: unknown) => expect.poll(all(fleet, ask)).toEqual(fleet.map(() => value)),
})

/** The response to a reload, with this result of the plugin. */
const reloadWith = (result: object) => ({
  reloaded: expect.arrayContaining([{ listener: 'fleet-reload', result }]),
})

async function startFleet(size: number, redis: { readonly port: number }) {
  const table = await startTable()
  const url = `redis://127.0.0.1:${redis.port}`
  const fleet = await Promise.all(Array.from({ length: size }, () => startInstance(table.endpoint, url)))
  return { table, fleet, connected: () => expectAll(fleet, ({ connection }) => connection()).toBe('pass') }
}

withRedis('a reload of one of five instances reaches all, with one message and one read per instance', async () => {
  const redis = await startRedis()
  const { table, fleet, connected } = await startFleet(5, redis)
  const { messages } = await redis.join(channel)
  await connected()
  await table.putSecret('thedoctor', 'two')
  expect(await all(fleet, ({ secret }) => secret())()).toEqual(['one', 'one', 'one', 'one', 'one'])

  expect(await fleet[0]?.reload()).toEqual(reloadWith({ sent: true }))

  await expectAll(fleet, ({ secret }) => secret()).toBe('two')
  expect(messages).toHaveLength(1)
  expect(table.reads).toHaveLength(5 + 5)
})

withRedis(
  'reloads of all instances at once, duplicates and malformed messages cause few reloads and no loop',
  async () => {
    const redis = await startRedis()
    const { table, fleet, connected } = await startFleet(5, redis)
    const { messages, publish } = await redis.join(channel)
    await connected()

    for (const { child } of fleet) child.kill('SIGHUP')
    await expectAll(fleet, ({ count }) => count('received')).toBe(4)
    for (const text of messages.slice()) await publish(text)
    for (const text of ['', 'null', '{"id":1}', 'x'.repeat(5_000_000)]) await publish(text)
    await expectAll(fleet, ({ count }) => count('duplicate')).toBe(4)
    await expectAll(fleet, ({ count }) => count('malformed')).toBe(4)
    // A last reload, after which nothing is pending.
    await table.putSecret('thedoctor', 'two')
    await publish(JSON.stringify({ id: randomUUID(), origin: randomUUID() }))
    await expectAll(fleet, ({ secret }) => secret()).toBe('two')

    expect(messages).toHaveLength(5 + 5 + 4 + 1)
    expect(await all(fleet, ({ count }) => count('sent'))()).toEqual([1, 1, 1, 1, 1])
    for (const { logged } of fleet) {
      // Its own, at most one per message, and the last one.
      expect(logged(/"Bus graceful"/).length).toBeLessThanOrEqual(1 + 4 + 1)
      expect(logged(/Ignored a malformed message/)).toHaveLength(1)
      expect(logged(/"level":"error"/)).toEqual([])
    }
    expect(table.reads.length).toBeLessThanOrEqual(5 * (1 + 1 + 4 + 1))
  },
)

withRedis('instances outlive the server, catch up when it is back, and forward reloads again', async () => {
  const redis = await startRedis()
  const { table, fleet, connected } = await startFleet(3, redis)
  await connected()

  await redis.kill()
  await expectAll(fleet, ({ connection }) => connection()).toBe('warn')
  await table.putSecret('thedoctor', 'two')
  expect(await fleet[0]?.reload()).toEqual(reloadWith({ sent: false }))
  expect(await all(fleet, ({ secret }) => secret())()).toEqual(['two', 'one', 'one'])
  await expectAll(fleet, ({ logged }) => logged(/Failed to run check of the fleet.*ECONNREFUSED/).length).toBe(1)
  await redis.restart()
  await connected()
  await expectAll(fleet, ({ secret }) => secret()).toBe('two')

  await table.putSecret('thedoctor', 'three')
  fleet[1]?.child.kill('SIGHUP')
  await expectAll(fleet, ({ secret }) => secret()).toBe('three')
  for (const { logged } of fleet) expect(logged(/Recovered: ran check of the fleet/)).not.toEqual([])
})

withRedis(
  'an instance starts without the server, and stops without it, while it hangs, and while it works',
  async () => {
    const redis = await startRedis()
    await redis.kill()
    const { fleet, connected } = await startFleet(3, redis)
    const [first, second, third] = fleet
    await expectAll(fleet, ({ logged }) => logged(/"level":"warn".*ECONNREFUSED/).length).toBe(1)
    expect(await first?.secret()).toBe('one')

    expect(await first?.stop()).toBe(0)
    fleet.shift()
    await redis.restart()
    await connected()
    expect(await second?.stop()).toBe(0)
    redis.pause()
    await expect.poll(() => third?.connection()).toBe('warn')
    expect(await third?.stop()).toBe(0)

    for (const instance of [first, second, third]) expect(instance?.stderr).toEqual([])
  },
)

withRedis('the documented rights of a user suffice, and no output contains its password', async () => {
  const readme = readFileSync(`${example}/README.md`, 'utf8')
  const [, user = '', rights = ''] = /^ACL SETUSER (\w+) (.*)$/m.exec(readme) ?? []
  const password = 'bad-wolf-of-the-fleet'
  const rules = rights.replace('>password', `>${password}`).split(' ')
  const redis = await startRedis(['--user', user, ...rules])
  const { messages } = await redis.join(channel)
  const table = await startTable()
  const start = (word: string) =>
    startInstance(table.endpoint, `redis://${user}:${word}@127.0.0.1:${redis.port}`, { SECRET_BUS_LOG_LEVEL: 'trace' })
  const [allowed, refused] = [await start(password), await start(`${password}!`)]
  await expect.poll(allowed.connection).toBe('pass')
  await expect.poll(() => refused.logged(/WRONGPASS/).length).toBeGreaterThan(0)

  await allowed.reload()
  await refused.reload()

  expect(messages).toHaveLength(1)
  expect(await Promise.all([allowed.stop(), refused.stop()])).toEqual([0, 0])
  for (const { stdout, stderr } of [allowed, refused]) expect([...stdout, ...stderr].join()).not.toContain(password)
})

withRedis('an instance connects over TLS, but only to a server whose certificate it trusts', async () => {
  const { options } = await certificateFiles(await newCertificate())
  const port = await steadyPort()
  const files = ['--tls-cert-file', options.tlsCert, '--tls-key-file', options.tlsKey, '--tls-auth-clients', 'no']
  const redis = await startRedis(['--tls-port', `${port}`, ...files])
  const { messages } = await redis.join(channel)
  const table = await startTable()
  const start = (env: NodeJS.ProcessEnv) => startInstance(table.endpoint, `rediss://127.0.0.1:${port}`, env)
  const [trusting, other] = [await start({ NODE_EXTRA_CA_CERTS: options.tlsCert }), await start({})]
  await expect.poll(trusting.connection).toBe('pass')
  await expect.poll(() => other.logged(/self-signed certificate/).length).toBeGreaterThan(0)

  expect(await trusting.reload()).toEqual(reloadWith({ sent: true }))

  expect(await other.connection()).toBe('warn')
  expect(messages).toHaveLength(1)
  expect(await Promise.all([trusting.stop(), other.stop()])).toEqual([0, 0])
})
