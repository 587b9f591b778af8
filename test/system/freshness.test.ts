/** The freshness guarantee, measured on a fleet: see `docs/RELIABILITY.md`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool, request } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { environmentOf, type RotatingTable, startRotatingTable } from '../support/dynamodb/rotating-table.ts'
import { haproxyInstalled, startHaproxy } from '../support/http/haproxy.ts'
import { startService } from '../support/service/process.ts'
import { startRestartable } from '../support/service/restartable-service.ts'

const behindHaproxy = test.skipIf(!haproxyInstalled)
if (!haproxyInstalled) process.stdout.write('HAProxy is not installed: skipping the test of a fleet\n')

/** In seconds. `npm run soak:freshness` sets them. */
const duration = Number(process.env['FRESHNESS_SECONDS'] ?? 30)
const outage = Number(process.env['FRESHNESS_OUTAGE'] ?? 5)

/** In milliseconds. */
const ttl = 2_000
const maxStale = 30_000
const rotationInterval = 5_000

const codeNames = ['rose', 'martha']
/** The last one gets no traffic from the load balancer. */
const instances = ['a', 'b', 'c', 'd', 'idle']

const argsFor = ({ endpoint }: RotatingTable, cacheTtl = `${ttl}ms`) => [
  ...codeNames.map((codeName) => `--code-name=${codeName}`),
  ...[`--dynamodb-endpoint=${endpoint}`, `--cache-ttl=${cacheTtl}`, `--max-stale=${maxStale}ms`, '--drain=500ms'],
]

interface Reply {
  readonly instance: string
  readonly codeName: string
  readonly value: string
  /** When the request was sent, and when the reply was received, on the monotonic clock. */
  readonly sentAt: number
  readonly receivedAt: number
}

/**
 * Checks each reply against the history of the table. The instance replied at some moment between the request and the
 * receipt, so a reply is stale only if the value was too old when the request was sent.
 */
class Check {
  replies = 0
  readonly byInstance = new Map<string, number>()
  /** Replies that break the guarantee. */
  readonly stale: string[] = []
  /** Replies past the TTL that the outage permits. */
  staleInOutage = 0
  /** Requests without a value. */
  readonly failures: string[] = []
  /** Requests that an instance rejected because this machine is too busy. */
  shed = 0
  outageBeganAt = Infinity
  outageEndedAt = Infinity
  /** When a reply has shown that the instance has read the secret after the outage. */
  readonly #recovered = new Map<string, number>()
  readonly #table: RotatingTable

  constructor(table: RotatingTable) {
    this.#table = table
  }

  add(reply: Reply): void {
    const { instance, codeName, value, sentAt, receivedAt } = reply
    this.replies += 1
    this.byInstance.set(instance, (this.byInstance.get(instance) ?? 0) + 1)
    const version = this.#table.versions.get(value)
    if (version?.codeName !== codeName) throw new Error(`unknown value ${JSON.stringify(value)} of ${codeName}`)
    const age = sentAt - version.until
    const firstRead = this.firstReadAfterOutage(instance, codeName)
    if (age <= ttl) {
      const key = `${instance} ${codeName}`
      if (firstRead !== undefined && sentAt > firstRead && !this.#recovered.has(key))
        this.#recovered.set(key, receivedAt)
    } else if (this.#mayBeStale(reply) && age <= ttl + maxStale) {
      this.staleInOutage += 1
    } else {
      this.stale.push(`${value} from ${instance}, replaced ${Math.round(age)} ms before the request`)
    }
  }

  /** When the first read after the outage was answered. */
  firstReadAfterOutage(instance: string, codeName: string): number | undefined {
    return this.#readsAfterOutage(instance, codeName).find(({ answeredAt }) => answeredAt !== undefined)?.answeredAt
  }

  /** An instance has certainly received the first value after the outage when it reads again. */
  #mayBeStale({ instance, codeName, sentAt, receivedAt }: Reply): boolean {
    if (receivedAt < this.outageBeganAt) return false
    const first = this.firstReadAfterOutage(instance, codeName) ?? Infinity
    const next = this.#readsAfterOutage(instance, codeName).find(({ receivedAt }) => receivedAt > first)
    const recoveredAt = this.#recovered.get(`${instance} ${codeName}`) ?? Infinity
    return sentAt < Math.min(recoveredAt, next?.receivedAt ?? Infinity)
  }

  #readsAfterOutage(instance: string, codeName: string) {
    if (this.outageEndedAt === Infinity) return []
    return this.#table.reads.filter(
      (read) => read.instance === instance && read.codeName === codeName && read.receivedAt > this.outageEndedAt,
    )
  }
}

/** Requests a secret, and checks the reply. */
async function ask(pool: Pool, codeName: string, check: Check, name = ''): Promise<void> {
  const sentAt = performance.now()
  const { statusCode, headers, body } = await pool.request({ method: 'GET', path: `/secret/${codeName}` })
  const text = await body.text()
  const instance = String(headers['x-instance'] ?? name)
  if (text.includes(':problem:overloaded"')) check.shed += 1
  else if (statusCode !== 200) check.failures.push(`${statusCode} from ${instance}: ${text}`)
  else check.add({ instance, codeName, value: JSON.parse(text).secret_code, sentAt, receivedAt: performance.now() })
}

/** Sends requests until the signal, and resolves when all have been answered. */
async function load(origin: string, clients: number, pause: number, check: Check, until: AbortSignal) {
  const pool = new Pool(origin, { connections: clients, pipelining: 1 })
  onTestFinished(() => pool.destroy())
  const client = async (_: unknown, index: number) => {
    for (let turn = index; !until.aborted; turn += 1) {
      const codeName = codeNames[turn % codeNames.length] ?? ''
      await ask(pool, codeName, check).catch((error) => check.failures.push(String(error)))
      await sleep(pause, undefined, { signal: until }).catch(() => {})
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
}

/**
 * Rotates the secrets until the signal. Each time, it asks the idle instance for them as soon as the previous values are
 * older than the TTL, which is the only request that it gets.
 */
async function rotateRepeatedly(rotate: () => Promise<unknown>, idle: string, check: Check, until: AbortSignal) {
  const pool = new Pool(idle)
  onTestFinished(() => pool.destroy())
  const pause = (ms: number) => sleep(ms, true, { signal: until }).catch(() => false)
  while (await pause(rotationInterval - ttl)) {
    await rotate()
    if (!(await pause(ttl + 1))) return
    for (const codeName of codeNames) await ask(pool, codeName, check, 'idle')
  }
}

behindHaproxy('five instances keep the guarantee', { timeout: (duration + 120) * 1_000 }, async () => {
  const table = await startRotatingTable()
  const rotate = () => Promise.all(codeNames.map(table.rotate))
  await rotate()
  const args = argsFor(table)
  const start = async (name: string) => [name, await startRestartable(args, environmentOf(name))] as const
  const running = new Map(await Promise.all(instances.map(start)))
  const portOf = (name: string) => running.get(name)?.port ?? 0
  for (const name of instances) {
    const ready = async () => {
      const { statusCode, body } = await request(`http://127.0.0.1:${portOf(name)}/ready`)
      await body.dump()
      return statusCode
    }
    await expect.poll(ready).toBe(200) // HAProxy takes an instance for ready before its first check
  }
  const balanced = instances.slice(0, -1)
  const proxy = await startHaproxy(Object.fromEntries(balanced.map((name) => [name, portOf(name)])), {
    checkInterval: 50,
  })
  for (const name of balanced) await expect.poll(() => proxy.isUp(name)).toBe(true)

  const check = new Check(table)
  const startedAt = performance.now()
  const until = async (seconds: number) => sleep(Math.max(0, startedAt + seconds * 1_000 - performance.now()))
  const end = new AbortController()
  onTestFinished(() => end.abort())
  const loads = [
    load(proxy.origin, 8, 20, check, end.signal),
    rotateRepeatedly(rotate, `http://127.0.0.1:${portOf('idle')}`, check, end.signal),
  ]

  await until(duration * 0.15)
  expect(await running.get('b')?.stop()).toBe(0)
  await running.get('b')?.restart()
  await expect.poll(() => proxy.isUp('b')).toBe(true)

  await until(duration * 0.4)
  check.outageBeganAt = performance.now()
  table.isDown = true
  await rotate()
  await sleep(outage * 1_000)
  table.isDown = false
  check.outageEndedAt = performance.now()
  const firstReads = () =>
    instances.flatMap((name) => codeNames.map((codeName) => check.firstReadAfterOutage(name, codeName)))
  await expect.poll(firstReads).not.toContain(undefined)
  const recoveredAt = Math.max(...firstReads().map(Number))

  await until(duration)
  const endedAt = performance.now()
  end.abort()
  await Promise.all(loads)

  const isHealthy = (at: number) => at > startedAt && at < endedAt && (at < check.outageBeganAt || at > recoveredAt)
  const reads = table.reads.filter(({ receivedAt }) => isHealthy(receivedAt)).length
  const healthyTime = endedAt - startedAt - (recoveredAt - check.outageBeganAt)
  const bound = Math.floor((1.5 * instances.length * codeNames.length * healthyTime) / ttl)
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  process.stdout.write(
    `${seconds(endedAt - startedAt)}: ${check.replies} replies checked, ${check.stale.length} stale replies ` +
      `(and ${check.staleInOutage} that the outage permits), ${check.failures.length} failed, ${check.shed} shed; ` +
      `${reads} reads against the bound of ${bound} in ${seconds(healthyTime)} without an outage; ` +
      `all instances recovered ${seconds(recoveredAt - check.outageEndedAt)} after the outage of ${outage} s\n`,
  )
  expect(check.stale).toEqual([])
  expect(check.failures).toEqual([])
  expect(check.staleInOutage).toBeGreaterThan(0) // the check does detect them
  expect([...check.byInstance.keys()].sort()).toEqual(instances)
  expect(reads).toBeLessThanOrEqual(bound)
})

/** An instance of its own, which has read the secrets, and a pool of connections to it. */
async function startAlone(args: string[]) {
  const { child, exited, address } = startService(['--port=0', ...args], environmentOf('alone'))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const pool = new Pool(await address(), { connections: 50, pipelining: 20 })
  onTestFinished(() => pool.destroy())
  const get = async (path: string, headers = {}) => {
    const { statusCode, headers: received, body } = await pool.request({ method: 'GET', path, headers })
    return {
      status: statusCode,
      age: Number(received['age']),
      cache: received['cache-status'],
      text: await body.text(),
    }
  }
  await expect.poll(async () => (await get('/ready')).status).toBe(200)
  return get
}

test('the first request after the TTL gets a value rotated meanwhile, and waits for nothing', async () => {
  const table = await startRotatingTable()
  await Promise.all(codeNames.map(table.rotate))
  const get = await startAlone(argsFor(table))

  const value = await table.rotate('rose')
  await sleep(ttl) // the subject of the test: no request in this time

  const { text, cache } = await get('/secret/rose')
  expect(JSON.parse(text)).toEqual({ secret_code: value })
  expect(cache).toMatch(/^secret-bus; hit; ttl=\d$/)
})

test('1,000 concurrent requests with no-cache cause one read, and 1,000 more within the interval none', async () => {
  const table = await startRotatingTable()
  await Promise.all(codeNames.map(table.rotate))
  // Longer than the default of 1 s, so that both bursts take place within it on any machine.
  const interval = 4
  const get = await startAlone([...argsFor(table, '1h'), `--min-refresh-interval=${interval}s`])
  await expect.poll(async () => (await get('/secret/rose')).age).toBeGreaterThanOrEqual(interval)
  const value = await table.rotate('rose')
  const burst = async () => {
    const before = table.reads.length
    const requests = Array.from({ length: 1_000 }, () => get('/secret/rose', { 'cache-control': 'no-cache' }))
    const texts = new Set((await Promise.all(requests)).map(({ text }) => text))
    return { texts: [...texts], reads: table.reads.length - before }
  }

  expect(await burst()).toEqual({ texts: [JSON.stringify({ secret_code: value })], reads: 1 })
  expect(await burst()).toEqual({ texts: [JSON.stringify({ secret_code: value })], reads: 0 })
})
