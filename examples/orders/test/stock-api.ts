/** A local HTTP server in place of the stock API. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

export interface Received {
  readonly path: string
  readonly key: unknown
  readonly requestId: unknown
  readonly body: unknown
}

export interface StockApi extends AsyncDisposable {
  readonly origin: string
  readonly received: readonly Received[]
  /** Answers the next requests instead of the default, until it is `undefined`. */
  respond: Respond | undefined
}

type Respond = (request: IncomingMessage, response: ServerResponse) => void

/**
 * Starts a server that knows every item, at a price of 999 cents, and reserves every quantity.
 * @param port a free one by default
 */
export async function startStockApi(port = 0): Promise<StockApi> {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const { url: path = '', method, headers } = request
    const body = method === 'POST' ? await json(request) : undefined
    received.push({ path, key: headers['x-api-key'], requestId: headers['x-request-id'], body })
    const respond = api.respond ?? accept
    respond(request, response)
  })
  await once(server.listen(port, '127.0.0.1'), 'listening')
  const api: StockApi = {
    // The address is a string only for a pipe.
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    respond: undefined,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return api
}

/** The default answer. */
function accept({ method }: IncomingMessage, response: ServerResponse): void {
  if (method === 'POST') response.writeHead(204).end()
  else response.end(JSON.stringify({ price: 999 }))
}

/** An answer with this status. */
export const status =
  (code: number, headers: Record<string, string> = {}): Respond =>
  (_request, response) =>
    void response.writeHead(code, headers).end('{}')

/** The default answer to requests with this API key, and an answer with this status to any other. */
export const onlyWith =
  (key: string, code = 401): Respond =>
  (request, response) =>
    request.headers['x-api-key'] === key ? accept(request, response) : status(code)(request, response)
