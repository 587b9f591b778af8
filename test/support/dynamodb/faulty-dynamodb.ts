/** A DynamoDB that misbehaves on demand: a server before the emulator that passes reads on, or fails as it is told to. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import { request as send } from 'undici'
import { startFaultyServer } from '../http/faulty-server.ts'

/** The body of a GetItem call, as far as faults are about it. */
export interface GetItem {
  readonly TableName: string
  readonly Key: Readonly<Record<string, { readonly S: string }>>
  readonly ExpressionAttributeNames: Readonly<Record<string, string>>
}

/** How a read is answered. `passOn` answers as the emulator does, to a read of which these parts are others. */
export type Fault = (
  request: IncomingMessage,
  response: ServerResponse,
  passOn: (changes: Partial<GetItem>) => Promise<void>,
) => unknown

/** The fault of a DynamoDB that accepts no connections, whatever is read. */
export const refusing = 'refusing'

export interface FaultyDynamodb {
  readonly endpoint: string
  /** From now on it misbehaves, by the code name that is read. */
  break(faults: Readonly<Record<string, Fault | typeof refusing>>): Promise<void>
  /** From now on it behaves. */
  mend(): Promise<void>
  /** How many tries each read of this code name took, of those that have come so far. */
  tries(codeName: string): number[]
}

/** @param behind the endpoint of the emulator */
export async function startFaultyDynamodb(behind: string): Promise<FaultyDynamodb> {
  let faults: ReadonlyMap<string, Fault> = new Map()
  const came: { codeName: string; read: unknown }[] = []
  const server = await startFaultyServer(async (request, response) => {
    const body = (await json(request)) as GetItem // the service sends nothing else
    const codeName = body.Key['code_name']?.S ?? ''
    // The SDK gives all tries of a read the same id.
    came.push({ codeName, read: request.headers['amz-sdk-invocation-id'] })
    const fault = faults.get(codeName) ?? passingOn({})
    await fault(request, response, async (changes) => {
      const { host: _, 'content-length': __, ...headers } = request.headers
      const reply = await send(behind, { method: 'POST', headers, body: JSON.stringify({ ...body, ...changes }) })
      response.writeHead(reply.statusCode, reply.headers).end(await reply.body.text())
    })
  })
  return {
    endpoint: server.endpoint,
    break: async (given) => {
      faults = new Map(Object.entries(given).filter((entry): entry is [string, Fault] => entry[1] !== refusing))
      if (Object.values(given).includes(refusing)) await server.close()
    },
    mend: async () => {
      faults = new Map()
      await server.reopen()
    },
    tries: (name) => {
      const reads = came.filter(({ codeName }) => codeName === name)
      return Array.from(Map.groupBy(reads, ({ read }) => read).values(), ({ length }) => length)
    },
  }
}

/** Answers what it would answer to a read with these parts. */
export const passingOn =
  (changes: Partial<GetItem>): Fault =>
  (_request, _response, passOn) =>
    passOn(changes)

/** Replies with this, and with the headers that DynamoDB's own replies have. */
export const replying =
  (body: string, status = 200): Fault =>
  (_request, response) => {
    response.writeHead(status, {
      'content-type': 'application/x-amz-json-1.0',
      'x-amzn-requestid': randomUUID(),
      'x-amz-crc32': crc32(body),
    })
    response.end(body)
  }
