/** The service with a sentinel for each of its secrets, and a record of everything that it outputs. */
import { PassThrough } from 'node:stream'
import { onTestFinished, vi } from 'vitest'
import { lifecycle } from '../../../src/bus/process/lifecycle.ts'
import { log } from '../../../src/bus/process/log.ts'
import type { ProcessBus } from '../../../src/bus/process/process-bus.ts'
import { serviceInfo } from '../../../src/bus/process/service-info.ts'
import { checkHealth, collectMetrics, fetchSecret, getSecret, secretAccessed } from '../../../src/channels.ts'
import { createLogger } from '../../../src/runtime/logger.ts'
import { startTracing } from '../../../src/tracing/start.ts'
import type { LeakyDynamodb } from '../dynamodb/leaky-dynamodb.ts'
import { exchangeAll, type Sent } from '../http/exchange.ts'
import { startOtlpReceiver } from '../otlp-receiver.ts'
import { assembleService, ownPackage } from './assemble-service.ts'
import { allRepresentations } from './representations.ts'
import { Outputs, sentinel } from './sentinels.ts'

export const secret = sentinel('the secret', 'Qz"ü日7')
export const token = sentinel('the bearer token', 'tK~9.w')
export const secretAccessKey = sentinel('the secret access key', 'sK/8+e')
export const sessionToken = sentinel('the session token', 'sT/4+n')

/** The environment variables that make the AWS SDK use the sentinels. */
export const credentials = {
  AWS_ACCESS_KEY_ID: 'AKIDXV4',
  AWS_SECRET_ACCESS_KEY: secretAccessKey.value,
  AWS_SESSION_TOKEN: sessionToken.value,
}

/** The location of the secret, which responses must not reveal. */
export const tableLocation = {
  table: 'table-Vw3k',
  'key-attribute': 'key-Hj5m',
  'value-attribute': 'value-Rt2b',
  region: 'mars-north-7',
}

export interface WatchedService {
  readonly bus: ProcessBus
  readonly outputs: Outputs
  /** Sends each request on its own connection. Resolves to the number of authorized responses with the secret. */
  send(requests: readonly Sent[]): Promise<number>
  /** Adds everything that the bus exposes, the log and the requests to DynamoDB to `outputs`. Spans follow on exit. */
  captureBusOutputs(): Promise<void>
}

/** Assembles the service with this DynamoDB as its source; the caller starts it. */
export async function assembleWatchedService(
  dynamodb: LeakyDynamodb,
  codeNames: readonly string[],
): Promise<WatchedService> {
  for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
  onTestFinished(() => void vi.unstubAllEnvs())
  const receiver = await startOtlpReceiver()
  const environment = { SECRET_BUS_AUTH_TOKEN: token.value, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint }
  const { subscriber: tracing } = await startTracing(serviceInfo(ownPackage), environment)
  const { bus, lines, origin } = await assembleService(
    {
      ...tableLocation,
      'code-name': codeNames,
      'dynamodb-endpoint': dynamodb.endpoint,
      'max-attempts': '2',
      // Generous, so that a loaded machine does not cause timeouts.
      'request-timeout': '1m',
      'fetch-timeout': '1m',
      'cache-ttl': '1s',
      'log-level': 'trace',
    },
    environment,
    { tracing },
  )
  const outputs = new Outputs()
  receiver.onBody = (body) => outputs.add('exported spans', body.toString())
  const errors = await watch(bus, outputs)

  const send = async (requests: readonly Sent[]) => {
    const replies = await exchangeAll(Number(new URL(origin()).port), requests)
    const checked = replies.map((reply, index) => withoutAuthorizedSecret(requests[index], reply))
    for (const text of checked) outputs.add('reply', text)
    return checked.filter((text, index) => text !== replies[index]).length
  }

  const captureBusOutputs = async () => {
    for (const channel of [getSecret, fetchSecret]) {
      const answers = await Promise.allSettled(codeNames.map((codeName) => bus.request(channel, { codeName })))
      for (const answer of answers)
        outputs.add(channel.name, allRepresentations('value' in answer ? answer.value : answer.reason))
    }
    for (const error of errors.values()) outputs.add('errors', allRepresentations(error))
    outputs.add('health.check', allRepresentations(await bus.publish(checkHealth)))
    outputs.add('metrics.collect', JSON.stringify(await bus.publish(collectMetrics)))
    outputs.add('topology', JSON.stringify(bus.topology()))
    outputs.add('bus', allRepresentations(bus))
    for (const line of lines) outputs.add('plain log', line)
    for (const body of dynamodb.bodies) outputs.add('request to the source', body)
    for (const { headers } of dynamodb.requests) {
      const { 'x-amz-security-token': _, ...others } = headers // AWS requires the session token in this header
      outputs.add('request to the source', JSON.stringify(others))
    }
  }

  return { bus, outputs, send, captureBusOutputs }
}

/**
 * Adds the activity and the log of the bus to the outputs. Returns the errors, one per message, which are searched in
 * all representations later.
 */
async function watch(bus: ProcessBus, outputs: Outputs): Promise<ReadonlyMap<string, Error>> {
  const errors = new Map<string, Error>()
  const record = (output: string, data: object) => {
    outputs.add(output, JSON.stringify(data))
    for (const part of Object.values(data)) if (part instanceof Error) errors.set(part.message, part)
  }
  bus.subscribe(lifecycle.log, (line) => record('lifecycle.log', { ...line, ...line.fields }))
  bus.subscribe(secretAccessed, (access) => record('secret.accessed', access))
  bus.tap((activity) => record('tap', activity))
  for (const logFormat of ['json', 'pretty'] as const) {
    const output = new PassThrough({ encoding: 'utf8' }).on('data', (text) => outputs.add(`${logFormat} log`, text))
    bus.use(`${logFormat}-log`, log(await createLogger({ logLevel: 'trace', logFormat }, false, output)))
  }
  return errors
}

const requestsSecret = /^GET (http:\/\/\S+)?\/secret[ ?#/]/
const authorizedBody = `\r\n\r\n${JSON.stringify({ secret_code: secret.value })}`

/** The response, without its body if that consists of the secret and the request was for it. */
function withoutAuthorizedSecret(request: Sent | undefined, reply: string): string {
  const isAuthorized =
    requestsSecret.test(String(request?.bytes)) && reply.startsWith('HTTP/1.1 200 ') && reply.endsWith(authorizedBody)
  return isAuthorized ? reply.slice(0, -authorizedBody.length) : reply
}
