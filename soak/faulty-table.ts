/** A DynamoDB that answers as an emulator behind it does, or fails in the way that it is told to. */
import { createServer, type RequestListener, request } from 'node:http'
import { startDynamodb } from '../test/support/dynamodb/dynamodb.ts'
import { listening } from '../test/support/http/listening.ts'

const json = { 'content-type': 'application/x-amz-json-1.0' }

const failing =
  (name: string, status: number): RequestListener =>
  (asked, response) => {
    asked.resume()
    response.writeHead(status, json).end(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}` }))
  }

const halfAnAnswer: RequestListener = (_, response) => {
  response.writeHead(200, { ...json, 'content-length': 1_000 }).write('{"Item":')
}

export const faults: Readonly<Record<string, RequestListener>> = {
  throttling: failing('ProvisionedThroughputExceededException', 400),
  '5xx': failing('InternalServerError', 500),
  silence: () => {},
  resets: ({ socket }) => socket.resetAndDestroy(),
  'half bodies': halfAnAnswer,
  'broken bodies': (asked, response) => {
    halfAnAnswer(asked, response)
    setImmediate(() => asked.socket.destroy())
  },
}

export interface FaultyTable {
  readonly endpoint: string
  /** What it does instead of answering. */
  fault: RequestListener | undefined
  close(): Promise<void>
}

/** @param secrets by code name */
export async function startFaultyTable(secrets: ReadonlyMap<string, string>): Promise<FaultyTable> {
  const emulator = await startDynamodb()
  for (const [codeName, secret] of secrets) await emulator.putSecret(codeName, secret)
  const forward: RequestListener = (asked, response) => {
    const { method, headers } = asked
    const onward = request(emulator.endpoint, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy()) // whoever asked may be gone, and then the emulator is not asked either
    response.on('close', () => onward.destroy())
    asked.pipe(onward)
  }
  const server = createServer((asked, response) => (table.fault ?? forward)(asked, response))
  const { endpoint, close } = await listening(server)
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
