/** The facts that the template must match: the calls that the program makes, and the instructions of its Dockerfile. */
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, vi } from 'vitest'
import { credentials, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { startFaultyServer } from '../support/http/faulty-server.ts'
import { fetchReply } from '../support/http/http.ts'
import { assembleService } from '../support/service/assemble-service.ts'

export interface Program {
  /** The IAM actions that it needs. */
  readonly actions: readonly string[]
  /** The attributes in its DynamoDB requests. */
  readonly attributes: readonly string[]
  /** The paths that need no token when authentication is enabled. */
  readonly openPaths: readonly string[]
}

let observed: Promise<Program> | undefined

/** Runs the program once, and returns what was observed to all callers. */
export const program = (): Promise<Program> => {
  observed ??= observeProgram()
  return observed
}

async function observeProgram(): Promise<Program> {
  onTestFinished(() => void vi.unstubAllEnvs())
  for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value)
  const { endpoint, calls } = await recordingDynamodb()
  const { bus, origin } = await assembleService({ 'dynamodb-endpoint': endpoint }, { SECRET_BUS_AUTH_TOKEN: 'a-token' })
  await bus.start()
  await expect.poll(async () => (await fetchReply(`${origin()}/ready`)).status).toBe(200)
  await fetchReply(`${origin()}/secret`, { headers: { authorization: 'Bearer a-token' } })
  await bus.graceful()

  const responses = ['/', '/health', '/ready', '/secret', '/metrics'].map(async (path) => {
    const { status } = await fetchReply(`${origin()}${path}`)
    return status === 200 ? [path] : []
  })
  const openPaths = (await Promise.all(responses)).flat()
  await bus.exit()
  return {
    actions: [...new Set(calls.map(({ target }) => target.replace(/^DynamoDB_\d+\./, 'dynamodb:')))],
    attributes: [...new Set(calls.flatMap(({ attributes }) => attributes))],
    openPaths,
  }
}

const forwarded = ['content-type', 'x-amz-target', 'x-amz-date', 'authorization']

interface Call {
  readonly target: string
  readonly attributes: readonly string[]
}

/** Starts an emulator with a secret, behind a proxy that records the calls. */
async function recordingDynamodb(): Promise<{ endpoint: string; calls: readonly Call[] }> {
  const dynamodb = await startDynamodb()
  onTestFinished(dynamodb.close)
  await dynamodb.putSecret('thedoctor', 'run')
  const calls: Call[] = []
  const { endpoint } = await startFaultyServer(async (request, response) => {
    const body = await text(request)
    const target = String(request.headers['x-amz-target'])
    const { Key: key = {}, ExpressionAttributeNames: names = {} } = JSON.parse(body)
    calls.push({ target, attributes: [...Object.keys(key), ...Object.values(names).map(String)] })
    const headers = forwarded.map((name) => [name, String(request.headers[name])] as const)
    const reply = await fetch(dynamodb.endpoint, { method: 'POST', headers: Object.fromEntries(headers), body })
    response.writeHead(reply.status, Object.fromEntries(reply.headers)).end(await reply.text())
  })
  return { endpoint, calls }
}

const dockerfile =
  readFileSync('docker/Dockerfile', 'utf8')
    .split(/^FROM /m)
    .at(-1) ?? ''

/** The instructions of the last stage of the Dockerfile. */
export const image = {
  user: instruction(/^USER (.+)$/m),
  port: Number(instruction(/^EXPOSE (\d+)$/m)),
  healthCheck: JSON.parse(instruction(/^HEALTHCHECK [^[]*CMD (\[.+\])$/m)),
  entrypoint: JSON.parse(instruction(/^ENTRYPOINT (\[.+\])$/m)),
}

function instruction(pattern: RegExp): string {
  const [, value] = pattern.exec(dockerfile) ?? []
  if (value === undefined) throw new Error(`Dockerfile must contain an instruction that matches ${pattern}`)
  return value
}
