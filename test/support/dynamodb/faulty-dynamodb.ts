/** A DynamoDB endpoint that fails on demand: a proxy in front of the emulator that forwards reads or injects faults. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import { request as send } from 'undici'
import { startFaultyServer } from '../http/faulty-server.ts'

/** The parts of a GetItem call that faults depend on. */
export interface GetItem {
  readonly TableName: string
  readonly Key: Readonly<Record<string, { readonly S: string }>>
  readonly ExpressionAttributeNames: Readonly<Record<string, string>>
}

/** Responds to a read. `forward` applies the changes to the read and forwards it to the emulator. */
export type Fault = (
  request: IncomingMessage,
  response: ServerResponse,
  forward: (changes: Partial<GetItem>) => Promise<void>,
) => unknown

/** The fault that refuses connections. It affects reads of all code names. */
export const connectionRefused = 'connection refused'

export interface FaultyDynamodb {
  readonly endpoint: string
  /** Injects faults into reads of these code names from now on. */
  injectFaults(faults: Readonly<Record<string, Fault | typeof connectionRefused>>): Promise<void>
  /** Forwards all reads from now on. */
  clearFaults(): Promise<void>
  /** The number of attempts received so far for each read of this code name. */
  attempts(codeName: string): number[]
}

/** @param emulator the endpoint of the emulator */
export async function startFaultyDynamodb(emulator: string): Promise<FaultyDynamodb> {
  let faults: ReadonlyMap<string, Fault> = new Map()
  const received: { codeName: string; read: unknown }[] = []
  const server = await startFaultyServer(async (request, response) => {
    const body = (await json(request)) as GetItem // the service sends nothing else
    const codeName = body.Key['code_name']?.S ?? ''
    // The SDK sends the same id with all attempts of a read.
    received.push({ codeName, read: request.headers['amz-sdk-invocation-id'] })
    const fault = faults.get(codeName) ?? forwardWith({})
    await fault(request, response, async (changes) => {
      const { host: _, 'content-length': __, ...headers } = request.headers
      const reply = await send(emulator, { method: 'POST', headers, body: JSON.stringify({ ...body, ...changes }) })
      response.writeHead(reply.statusCode, reply.headers).end(await reply.body.text())
    })
  })
  return {
    endpoint: server.endpoint,
    injectFaults: async (injected) => {
      faults = new Map(
        Object.entries(injected).filter((entry): entry is [string, Fault] => entry[1] !== connectionRefused),
      )
      if (Object.values(injected).includes(connectionRefused)) await server.close()
    },
    clearFaults: async () => {
      faults = new Map()
      await server.reopen()
    },
    attempts: (name) => {
      const reads = received.filter(({ codeName }) => codeName === name)
      return Array.from(Map.groupBy(reads, ({ read }) => read).values(), ({ length }) => length)
    },
  }
}

/** Forwards the read with these changes. */
export const forwardWith =
  (changes: Partial<GetItem>): Fault =>
  (_request, _response, forward) =>
    forward(changes)

/** Responds with this body and the headers of DynamoDB. */
export const replyWith =
  (body: string, status = 200): Fault =>
  (_request, response) => {
    response.writeHead(status, {
      'content-type': 'application/x-amz-json-1.0',
      'x-amzn-requestid': randomUUID(),
      'x-amz-crc32': crc32(body),
    })
    response.end(body)
  }
