/** A proxy of a DynamoDB emulator that injects faults. */
import { createServer, type RequestListener, request } from 'node:http'
import { startDynamodb } from '../test/support/dynamodb/dynamodb.ts'
import { listen } from '../test/support/http/listen.ts'

const json = { 'content-type': 'application/x-amz-json-1.0' }

const failing =
  (name: string, status: number): RequestListener =>
  (incoming, response) => {
    incoming.resume()
    response.writeHead(status, json).end(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}` }))
  }

const incompleteResponse: RequestListener = (_, response) => {
  response.writeHead(200, { ...json, 'content-length': 1_000 }).write('{"Item":')
}

export const faults: Readonly<Record<string, RequestListener>> = {
  throttling: failing('ProvisionedThroughputExceededException', 400),
  '5xx': failing('InternalServerError', 500),
  'no response': () => {},
  resets: ({ socket }) => socket.resetAndDestroy(),
  'incomplete bodies': incompleteResponse,
  'aborted bodies': (incoming, response) => {
    incompleteResponse(incoming, response)
    setImmediate(() => incoming.socket.destroy())
  },
}

export interface FaultyTable {
  readonly endpoint: string
  /** The fault to inject; while undefined, requests reach the emulator. */
  fault: RequestListener | undefined
  close(): Promise<void>
}

/** @param secrets by code name */
export async function startFaultyTable(secrets: ReadonlyMap<string, string>): Promise<FaultyTable> {
  const emulator = await startDynamodb()
  for (const [codeName, secret] of secrets) await emulator.putSecret(codeName, secret)
  const forward: RequestListener = (incoming, response) => {
    const { method, headers } = incoming
    const outgoing = request(emulator.endpoint, { method, headers }, (reply) => {
      response.writeHead(reply.statusCode ?? 500, reply.headers)
      reply.pipe(response)
    })
    outgoing.on('error', () => response.destroy())
    response.on('close', () => outgoing.destroy()) // also if the client aborts
    incoming.pipe(outgoing)
  }
  const server = createServer((incoming, response) => (table.fault ?? forward)(incoming, response))
  const { endpoint, close } = await listen(server)
  const table: FaultyTable = {
    endpoint,
    fault: undefined,
    close: async () => {
      await close()
      await emulator.close()
    },
  }
  return table
}
