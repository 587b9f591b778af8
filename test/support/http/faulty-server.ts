/** An HTTP server that misbehaves on demand, to stand where DynamoDB or another service should. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'
import { listening } from './listening.ts'

export interface FaultyServer {
  readonly endpoint: string
  /** The requests that came. */
  readonly requests: IncomingMessage[]
  /** How requests are answered from now on. */
  answer: RequestListener
  /** How many connections are open. */
  connections(): Promise<number>
  /** Refuses connections from now on, and ends those that are open. */
  close(): Promise<void>
  /** Accepts them again. */
  reopen(): Promise<void>
}

/** Starts the server; it is closed when the test is finished, if not before. */
export async function startFaultyServer(answer: RequestListener): Promise<FaultyServer> {
  const server = createServer((request, response) => {
    faulty.requests.push(request)
    faulty.answer(request, response)
  })
  const { endpoint, close } = await listening(server)
  onTestFinished(close)
  const faulty: FaultyServer = {
    endpoint,
    requests: [],
    answer,
    connections: () => promisify(server.getConnections).call(server),
    close,
    reopen: async () => {
      if (server.listening) return
      const { hostname, port } = new URL(endpoint)
      await once(server.listen(Number(port), hostname), 'listening')
    },
  }
  return faulty
}

/** Replies with this body. */
export const saying =
  (body: string, status = 200): RequestListener =>
  async (request, response) => {
    await text(request)
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(body)
  }

/** Fails as DynamoDB does: the name of the error is in the body. */
export const failing = (name: string, status = 400, message = 'so it is'): RequestListener =>
  saying(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message }), status)

/** Never answers. */
export const silent: RequestListener = () => {}

/** Begins a reply and never ends it. */
export const stalling: RequestListener = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0', 'content-length': 1_000 })
  response.write('{"Item":')
}

/** Begins a reply, goes on with it a byte at a time, and never ends it. */
export const dripping: RequestListener = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' })
  const drip = setInterval(() => response.write(' '), 20)
  response.on('close', () => clearInterval(drip))
}

/** Begins a reply, and closes the connection within it. */
export const breakingOff: RequestListener = (request, response) => {
  stalling(request, response)
  setImmediate(() => request.socket.destroy())
}

/** Closes the connection without a reply. */
export const hangingUp: RequestListener = ({ socket }) => {
  socket.end()
}

/** Resets the connection. */
export const resetting: RequestListener = ({ socket }) => {
  socket.resetAndDestroy()
}
