/** An HTTP server that misbehaves on demand, in place of DynamoDB or another backend. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'
import { listen } from './listen.ts'

export interface FaultyServer {
  readonly endpoint: string
  /** The requests received so far. */
  readonly requests: IncomingMessage[]
  /** Handles the requests from now on; assign to change it. */
  answer: RequestListener
  /** Number of open connections. */
  connections(): Promise<number>
  /** Stops listening and closes all connections. */
  close(): Promise<void>
  /** Listens again on the same port. */
  reopen(): Promise<void>
}

/** Starts the server. It closes when the test ends, or earlier with `close`. */
export async function startFaultyServer(answer: RequestListener): Promise<FaultyServer> {
  const server = createServer((request, response) => {
    faulty.requests.push(request)
    faulty.answer(request, response)
  })
  const { endpoint, close } = await listen(server)
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

/** Responds with the body. */
export const respondWith =
  (body: string, status = 200): RequestListener =>
  async (request, response) => {
    await text(request)
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(body)
  }

/** Responds with an error in the format of DynamoDB, with the name of the error in the body. */
export const respondWithError = (name: string, status = 400, message = 'simulated failure'): RequestListener =>
  respondWith(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message }), status)

/** Never responds. */
export const neverRespond: RequestListener = () => {}

/** Starts a response and never finishes it. */
export const stallResponse: RequestListener = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0', 'content-length': 1_000 })
  response.write('{"Item":')
}

/** Starts a response, continues it a byte at a time, and never finishes it. */
export const dripResponse: RequestListener = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' })
  const drip = setInterval(() => response.write(' '), 20)
  response.on('close', () => clearInterval(drip))
}

/** Starts a response and closes the connection before its end. */
export const truncateResponse: RequestListener = (request, response) => {
  stallResponse(request, response)
  setImmediate(() => request.socket.destroy())
}

/** Closes the connection without a response. */
export const closeConnection: RequestListener = ({ socket }) => {
  socket.end()
}

/** Resets the connection. */
export const resetConnection: RequestListener = ({ socket }) => {
  socket.resetAndDestroy()
}
