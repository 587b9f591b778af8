/** A DynamoDB table whose secrets are rotated. It remembers all values, and who read them when. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { request as send } from 'undici'
import { onTestFinished } from 'vitest'
import { startFaultyServer } from '../http/faulty-server.ts'
import { credentials, startDynamodb } from './dynamodb.ts'
import type { GetItem } from './faulty-dynamodb.ts'

/** A value of a secret. It is current until the table has acknowledged its successor. Times are monotonic. */
export interface Version {
  readonly codeName: string
  until: number
}

/** A read by an instance, with all its attempts. Times are monotonic. */
export interface TableRead {
  readonly instance: string
  readonly codeName: string
  readonly receivedAt: number
  /** When the table had sent the value; undefined if it has not. */
  answeredAt: number | undefined
}

export interface RotatingTable {
  readonly endpoint: string
  /** All values so far. */
  readonly versions: ReadonlyMap<string, Version>
  readonly reads: readonly TableRead[]
  /** While true, every read fails. */
  isDown: boolean
  /** Gives the secret a new value, also while reads fail, and resolves to it when the table has acknowledged it. */
  rotate(codeName: string): Promise<string>
}

/** The environment of an instance. Its access key names it. */
export const environmentOf = (instance: string) => ({ ...credentials, AWS_ACCESS_KEY_ID: instance })

/** Starts the table. It is closed when the test ends. */
export async function startRotatingTable(): Promise<RotatingTable> {
  const emulator = await startDynamodb()
  onTestFinished(emulator.close)
  const versions = new Map<string, Version>()
  const current = new Map<string, Version>()
  const reads = new Map<unknown, TableRead>()
  const fail = (response: ServerResponse) => {
    const __type = 'com.amazonaws.dynamodb.v20120810#InternalServerError'
    response.writeHead(500, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify({ __type }))
  }

  const readOf = (request: IncomingMessage, codeName: string): TableRead => {
    const id = request.headers['amz-sdk-invocation-id'] // the same for all attempts
    const instance = /Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const read = reads.get(id) ?? { instance, codeName, receivedAt: performance.now(), answeredAt: undefined }
    reads.set(id, read)
    return read
  }
  const { endpoint } = await startFaultyServer(async (request, response) => {
    const body = (await json(request)) as GetItem // the service sends nothing else
    const read = readOf(request, body.Key['code_name']?.S ?? '')
    if (table.isDown) return fail(response)
    const { host: _, 'content-length': __, ...headers } = request.headers
    const reply = await send(emulator.endpoint, { method: 'POST', headers, body: JSON.stringify(body) })
    response.writeHead(reply.statusCode, reply.headers).end(await reply.body.text())
    read.answeredAt = performance.now()
  })

  const table: RotatingTable = {
    endpoint,
    versions,
    get reads() {
      return [...reads.values()]
    },
    isDown: false,
    rotate: async (codeName) => {
      const value = `${codeName} ${versions.size + 1}`
      const version = { codeName, until: Infinity }
      versions.set(value, version)
      await emulator.putSecret(codeName, value)
      const previous = current.get(codeName)
      if (previous) previous.until = performance.now()
      current.set(codeName, version)
      return value
    },
  }
  return table
}
