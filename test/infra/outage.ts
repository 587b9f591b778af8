/** The log of a service in a child process during an outage of DynamoDB. */
import { expect, onTestFinished } from 'vitest'
import { credentials, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { replyWith, startFaultyDynamodb } from '../support/dynamodb/faulty-dynamodb.ts'
import { startTestService } from '../support/service/test-service.ts'

let observed: Promise<readonly string[]> | undefined

/** Runs the service once, and returns its log lines to all callers. */
export const outageLog = (): Promise<readonly string[]> => {
  observed ??= runOutage()
  return observed
}

const throttling = replyWith('{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}', 400)

/** The first reads succeed, then reads fail until stale values have been served and a second read has failed, then one succeeds. */
async function runOutage(): Promise<readonly string[]> {
  const emulator = await startDynamodb()
  onTestFinished(emulator.close)
  await emulator.putSecret('thedoctor', 'run')
  const dynamodb = await startFaultyDynamodb(emulator.endpoint)
  const args = ['--dynamodb-endpoint', dynamodb.endpoint, '--cache-ttl', '1s', '--log-level', 'debug']
  const service = startTestService([...args, '--log-format', 'json'], credentials)
  const origin = await service.address()
  const lines = () => service.stdout.map((line) => JSON.parse(line))
  /** Requests the secret until the log satisfies the condition. */
  const until = (condition: (log: { level: string; msg: string; cache?: string }[]) => boolean) =>
    expect
      .poll(async () => {
        await (await fetch(`${origin}/secret`)).text()
        return condition(lines())
      })
      .toBe(true)

  await until((log) => log.some(({ cache }) => cache?.includes('hit; ttl=0')))
  await dynamodb.injectFaults({ thedoctor: throttling })
  await until((log) => log.some(({ level, msg }) => level === 'debug' && msg.startsWith('Failed to fetch')))
  await until((log) => log.some(({ cache }) => cache?.includes('ttl=-')))
  await dynamodb.clearFaults()
  await until((log) => log.some(({ msg }) => msg.startsWith('Recovered')))
  service.child.kill('SIGTERM')
  await service.exited
  return service.stdout
}
