import { expect, onTestFinished, test, vi } from 'vitest'
import { credentials, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { constantLoad } from '../support/http/constant-load.ts'
import { haproxyInstalled, startHaproxy } from '../support/http/haproxy.ts'
import { startRestartable } from '../support/service/restartable-service.ts'

/** Generous, for a loaded machine. */
const slowPoll = { timeout: 30_000 }
vi.setConfig({ testTimeout: 150_000 })

const behindHaproxy = test.skipIf(!haproxyInstalled)
if (!haproxyInstalled) process.stdout.write('HAProxy is not installed: skipping the tests of rolling restarts\n')

/** Starts two instances that share a table. */
async function startInstances(drain: string) {
  const dynamodb = await startDynamodb()
  onTestFinished(dynamodb.close)
  await dynamodb.putSecret('thedoctor', 'run')
  const args = ['--dynamodb-endpoint', dynamodb.endpoint, '--drain', drain]
  const instances = { a: await startRestartable(args, credentials), b: await startRestartable(args, credentials) }
  await expect.poll(() => dynamodb.reads.length, slowPoll).toBe(2)
  return instances
}

interface Rolling {
  readonly restarts: number
  readonly drain: string
  /** Interval of HAProxy's readiness checks, in milliseconds. */
  readonly checkInterval: number
}

/** Restarts two instances behind HAProxy alternately under constant load. */
async function rollingRestart({ restarts, drain, checkInterval }: Rolling) {
  const instances = await startInstances(drain)
  const haproxy = await startHaproxy({ a: instances.a.port, b: instances.b.port }, { checkInterval })
  const load = constantLoad(haproxy.origin, 8, 'run')
  const expectTrafficOn = async (name: string) => {
    const before = await haproxy.answeredBy(name)
    await expect.poll(() => haproxy.answeredBy(name), slowPoll).toBeGreaterThan(before + 10)
  }

  for (let restart = 1; restart <= restarts; restart += 1) {
    await Promise.all(['a', 'b'].map(expectTrafficOn))
    const name = restart % 2 === 1 ? 'a' : 'b'
    load.phase = `restart ${restart}, ${name} stops`
    expect(await instances[name].stop()).toBe(0)
    load.phase = `restart ${restart}, ${name} starts`
    await instances[name].restart()
    await expect.poll(() => haproxy.isUp(name), slowPoll).toBe(true)
    load.phase = `restart ${restart}, ${name} is back`
  }
  await Promise.all(['a', 'b'].map(expectTrafficOn))
  await load.stop()

  const { answered, failures } = load
  const connections = await haproxy.connections()
  process.stdout.write(`${restarts} restarts: ${answered} requests answered, ${failures.length} failed\n`)
  return { answered, failures, connections }
}

behindHaproxy('no request fails while two instances behind HAProxy restart alternately', async () => {
  const { answered, failures, connections } = await rollingRestart({ restarts: 20, drain: '500ms', checkInterval: 50 })

  expect(failures).toEqual([])
  // Connections are reused on both sides, which is the difficult case.
  expect(connections.fromClients).toBeLessThan(answered / 10)
  expect(connections.toInstances).toBeLessThan(answered / 10)
})

behindHaproxy('requests fail if an instance does not drain and HAProxy does not check readiness', async () => {
  const { failures } = await rollingRestart({ restarts: 1, drain: '0s', checkInterval: 600_000 })

  expect(failures).toContainEqual(expect.stringMatching(/restart 1, a starts: \/secret: Error: 503/))
})
